"""A terminal's updates, by the ministry's signed orders: nobody connects to it, it asks and acts by itself.

    documents   what the ministry signed: taken or refused, with the reason
    machine     what Windows says of itself, and how it is told to install and to restart
    course      the rules: from an order to its signed answer, a pure function
    line        the hub, by which they come and what this machine says goes
    patching    one turn: look, decide, note it, do it, say it

What is noted before it is done survives a kill and a power cut at any point; the machine's own list of updates and its
build say what became of it.
"""
