"""The packet filter that keeps a lab to itself: nftables rulesets, computed and loaded.

Two tables of one name. The `bridge` table keeps hosts apart on the management network: there they reach the mirror's
package port and the controller, never each other. The `inet` table keeps the machine out of the lab's networks: it
forwards nothing for them but what the mirror asks of the outside, and answers them nothing but what it asked itself.
"""

from collections.abc import Mapping

from renkei.lab.errors import LabError
from renkei.lab.machine import cable
from renkei.lab.plan import MAC_OF_MANAGEMENT, MIRROR_PORT, LabPlan, mac
from renkei.lab.podman import run

_FAMILIES = ("bridge", "inet")


def ruleset(plan: LabPlan, bridges: Mapping[str, str]) -> str:
    """Give the ruleset of a lab, which replaces a former one as a whole.

    Args:
        plan: the lab.
        bridges: the name of the machine's bridge for each network's name.
    """
    fresh = "".join(f"table {family} {plan.table}\ndelete table {family} {plan.table}\n" for family in _FAMILIES)
    return fresh + _between_hosts(plan, bridges) + _through_the_machine(plan, bridges)


def load(plan: LabPlan, bridges: Mapping[str, str]) -> None:
    """Load the ruleset of a lab in one transaction.

    Raises:
        LabError: the kernel refuses it.
    """
    try:
        run(["nft", "--file", "-"], stdin=ruleset(plan, bridges).encode())
    except LabError as failure:
        raise LabError(
            "the kernel refuses the lab's packet filter; it needs nftables with the families inet and bridge, "
            f"NAT and connection tracking (CONFIG_NF_TABLES_BRIDGE, CONFIG_NFT_NAT, CONFIG_NFT_CT): {failure}"
        ) from failure


def unload(table: str) -> None:
    """Remove the tables of a lab, whether they are there or not.

    Raises:
        LabError: the kernel refuses.
    """
    text = "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in _FAMILIES)
    run(["nft", "--file", "-"], stdin=text.encode())


def _between_hosts(plan: LabPlan, bridges: Mapping[str, str]) -> str:
    # Stateless, for many kernels track no connections on a bridge; by address, for a restarted host has a new veth.
    network = plan.controller.network
    _, plug = cable(bridges[f"{plan.prefix}management"])
    from_mirror = ""
    if plan.mirror:
        from_mirror = f"""
    ip daddr {plan.mirror} tcp dport {MIRROR_PORT} accept
    ip saddr {plan.mirror} tcp sport {MIRROR_PORT} tcp flags & (syn | ack) != syn accept"""
    return f"""
table bridge {plan.table} {{
  chain management {{
    ether type arp accept
    iifname "{plug}" accept
    oifname "{plug}" accept{from_mirror}
    counter drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ether saddr & {mac("ff:ff", network.netmask)} == {mac(MAC_OF_MANAGEMENT, network.network_address)} jump management
    ip saddr {network} jump management
    ip daddr {network} jump management
  }}
}}
"""


def _through_the_machine(plan: LabPlan, bridges: Mapping[str, str]) -> str:
    # A kernel with br_netfilter shows bridged packets here. They pass, untracked: the mirror's packets cross a bridge
    # on their way out, and a connection that is tracked there would not be translated further on.
    outside, management = plan.network("outside"), plan.network("management")
    ends = [cable(bridges[network.name])[0] for network in (outside, management) if network]
    bridged = ", ".join(f'"{bridge}"' for bridge in sorted(bridges.values()))
    every = ", ".join(f'"{link}"' for link in sorted([*bridges.values(), *ends]))
    same = ", ".join(f'"{bridge}" . "{bridge}"' for bridge in sorted(bridges.values()))
    way_out = nat = ""
    if outside and plan.outside_gateway:
        end, _ = cable(bridges[outside.name])
        way_out = f"""
    iifname "{end}" oifname != @lab accept
    oifname "{end}" ct state established,related accept"""
        nat = f"""
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {plan.outside_gateway.network} oifname != @lab masquerade
  }}"""
    return f"""
table inet {plan.table} {{
  set lab {{
    type ifname
    elements = {{ {every} }}
  }}
  chain prerouting {{
    type filter hook prerouting priority raw; policy accept;
    iifname {{ {bridged} }} notrack
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname . oifname {{ {same} }} accept{way_out}
    iifname @lab counter drop
    oifname @lab counter drop
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname @lab ct state established,related accept
    iifname @lab meta l4proto {{ tcp, udp }} th dport 53 ip saddr {_dns_clients(plan)} accept
    iifname @lab counter drop
  }}{nat}
}}
"""


def _dns_clients(plan: LabPlan) -> str:
    """Only the mirror may ask the machine for names, where the machine is its own resolver."""
    return str(plan.outside_gateway.network) if plan.outside_gateway else "127.0.0.1"
