"""The page's words for what the agent knows by codes, Japanese and English; the templates hold the rest."""

from dataclasses import dataclass

from renkei.store.standings import Standing

Pair = tuple[str, str]
"""Japanese, English."""

LANGUAGES = ("ja", "en")

LINKS: dict[str, Pair] = {
    "online": ("常時接続", "always connected"),
    "on_demand": ("必要時接続", "connects when needed"),
    "media": ("媒体", "by medium"),
}

STANDINGS: dict[Standing, Pair] = {
    Standing.UNCONFIRMED: ("確認待ち", "waits for confirmation"),
    Standing.BEHIND: ("先行通知待ち", "waits for an earlier notice"),
    Standing.READY: ("引渡し待ち", "waits to be handed over"),
    Standing.HANDED: ("取込結果待ち", "waits for the register's result"),
    Standing.FAILED: ("エラー", "error"),
}
"""As `renkei.agent.register.pending` has them, with English beside."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What an alarm means to a clerk, and what to do."""

    title: Pair
    action: Pair


_CALL: Pair = (
    "法務省の連携窓口に連絡し、下の「詳細」を伝えてください。端末はそのままにしてください。",
    "Call the ministry's support and read the details to them. Leave the terminal as it is.",
)
_WITH_HUB = Advice(("ハブの応答に疑わしい点があります", "What the hub says is doubtful"), _CALL)
_CONTENT = Advice(("受信した通知に読めないものがあります", "Something received can't be read"), _CALL)
_MEDIUM = Advice(
    ("媒体を取り込めません", "A medium can't be read in"),
    (
        "媒体を抜かずに「詳細」を確かめ、送り主に書き出しをやり直してもらってください。",
        "Read the details and ask the sender to write the medium anew.",
    ),
)
_CERTIFICATE = Advice(
    ("端末の証明書に問題があります", "The terminal's certificate needs attention"),
    (
        "証明書が終わると連携できなくなります。法務省の連携窓口に連絡してください。",
        "Without a certificate there is no exchange. Call the ministry's support.",
    ),
)

UNKNOWN = Advice(("確認が必要なことがあります", "Something needs a look"), _CALL)

ALARMS: dict[str, Advice] = {
    "certificate": _CERTIFICATE,
    "enrolment": _CERTIFICATE,
    "content": _CONTENT,
    "crl": Advice(
        ("失効した証明書の一覧が古くなっています", "The list of revoked certificates is old"),
        (
            "連携か媒体の取込みで新しくなります。消えないときは、法務省の連携窓口に連絡してください。",
            "An exchange or a medium brings a new one. Call the ministry's support if this stays.",
        ),
    ),
    "directory": _WITH_HUB,
    "document": _WITH_HUB,
    "gap": Advice(("通知の順番に抜けがあります", "A notice in the order is missing"), _CALL),
    "horizon": Advice(
        ("法務省の公表時点が古いままです", "The ministry's word on what it published is old"),
        (
            "しばらくしても消えないときは、法務省の連携窓口に連絡してください。",
            "Call the ministry's support if this stays.",
        ),
    ),
    "hub": _WITH_HUB,
    "layout": Advice(
        ("指定の文字コードで書けない文字がありました", "Some characters don't fit the encoding that was asked for"),
        (
            "そのファイルはUTF-8で渡しました。住基システムの担当者に伝えてください。",
            "That file was written in UTF-8. Tell who runs the resident register.",
        ),
    ),
    "malware": Advice(
        ("媒体からマルウェアが見つかりました", "Malware was found on a medium"),
        (
            "媒体を抜いて隔離し、情報セキュリティ責任者に連絡してください。ほかの機器に挿さないでください。",
            "Take the medium out, keep it apart, tell the security officer. Put it into no other machine.",
        ),
    ),
    "medium": _MEDIUM,
    "no-binding": Advice(
        ("法務省側の準備が済んでいません", "The ministry's side isn't ready yet"),
        (
            "送る通知は端末で待っています。続くときは、法務省の連携窓口に連絡してください。",
            "What you send waits here. Call the ministry's support if this stays.",
        ),
    ),
    "number": Advice(("同じ番号で内容の違う通知が届きました", "A number came twice with different content"), _CALL),
    "outbox": Advice(
        ("送信フォルダに処理できないファイルがあります", "A file of the outbox can't be taken"),
        (
            "ファイルを開いて確かめ、正しい形にして入れ直してください。",
            "Check the file, correct it, and put it in again.",
        ),
    ),
    "page": Advice(
        ("この画面の準備に問題があります", "This page isn't set up as it should be"),
        ("端末の管理者に連絡してください。", "Tell who runs the terminal."),
    ),
    "profile": _WITH_HUB,
    "quarantine": _CONTENT,
    "receipt": Advice(("受領証を渡せません", "A receipt can't be handed over"), _CALL),
    "register": Advice(
        ("住基システムとの受渡しフォルダが使えません", "The register system's folder can't be used"),
        (
            "ネットワークの接続と共有フォルダを確かめてください。通知は端末で待っています。",
            "Check the network and the shared folder. Notices wait here.",
        ),
    ),
    "register-file": Advice(
        ("住基システムのファイルを読み取れません", "A file of the register system can't be read"),
        (
            "住基システムの担当者に、ファイルの書き出しをやり直してもらってください。",
            "Ask who runs the resident register to write the file again.",
        ),
    ),
    "room": Advice(
        ("空き容量が足りません", "There is no room left"),
        (
            "受信フォルダのファイルを取り込むか、不要なファイルを片付けてください。",
            "Import the files of the inbox, or remove what isn't needed.",
        ),
    ),
    "patterns": Advice(
        ("ウイルス定義を更新できません", "Antivirus patterns can't be renewed"),
        (
            "「詳細」を確かめ、次の媒体を取り込んでください。消えないときは、法務省の連携窓口に連絡してください。",
            "Read the details and read in the next medium. Call the ministry's support if this stays.",
        ),
    ),
    "revoked": Advice(
        ("失効した証明書で署名されたものが届きました", "Something came under a revoked certificate"), _CALL
    ),
    "roots": _WITH_HUB,
    "stream": Advice(("送信が止まっています", "Sending has stopped"), _CALL),
    "updates": Advice(
        ("OSの更新を始められません", "Windows can't be updated yet"),
        (
            "「詳細」を確かめ、電源ケーブルをつなぎ、空き容量を空けてください。消えないときは、法務省の連携窓口に連絡してください。",
            "Read the details; plug the machine in and make room. Call the ministry's support if this stays.",
        ),
    ),
    "void": Advice(("取り消した通知が先に届いていました", "A notice was delivered before it was voided"), _CALL),
    "waiting": Advice(
        ("送る予定の通知に問題があります", "A notice that is to be sent breaks a rule"),
        (
            "「詳細」の通知を住基システムで確かめ、正しい通知を作り直してください。",
            "Check the notice in the resident register and write it anew.",
        ),
    ),
    "wipe": Advice(
        ("媒体の中身を消せません", "A medium can't be emptied"),
        (
            "媒体の書込み禁止を解いて、もう一度取り込んでください。",
            "Make the medium writable and read it in again.",
        ),
    ),
    "withheld": Advice(("届くはずの通知が届いていません", "Notices that were announced are missing"), _CALL),
}
"""By the alarm's kind; a test holds this against every kind that the agent raises."""
