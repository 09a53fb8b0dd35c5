"""What the operating system does differently, and nothing else: users, locks, durability, keys, the service manager.

`posix` and `windows` have the same functions; everything outside this package works alike on both. It is used as
`from renkei.agent import platform`.
"""

import sys

if sys.platform == "win32":
    from renkei.agent.platform.windows import (
        DEFAULT_ANCHOR,
        DEFAULT_CONFIG,
        DEFAULT_HOME,
        DEFAULT_PAGE,
        Locked,
        act_as_owner,
        as_owner,
        end_service,
        files_for_everybody,
        hand_over,
        installation_of,
        is_open_to_all,
        key_passphrase,
        limit_new_files,
        lock,
        log_to_service_manager,
        notify_service_manager,
        on_stop,
        program_of,
        replace,
        software_changed_at,
        sync_directory,
        update_tools,
        volume_of,
    )
else:
    from renkei.agent.platform.posix import (
        DEFAULT_ANCHOR,
        DEFAULT_CONFIG,
        DEFAULT_HOME,
        DEFAULT_PAGE,
        Locked,
        act_as_owner,
        as_owner,
        end_service,
        files_for_everybody,
        hand_over,
        installation_of,
        is_open_to_all,
        key_passphrase,
        limit_new_files,
        lock,
        log_to_service_manager,
        notify_service_manager,
        on_stop,
        program_of,
        replace,
        software_changed_at,
        sync_directory,
        update_tools,
        volume_of,
    )

__all__ = [
    "DEFAULT_ANCHOR",
    "DEFAULT_CONFIG",
    "DEFAULT_HOME",
    "DEFAULT_PAGE",
    "Locked",
    "act_as_owner",
    "as_owner",
    "end_service",
    "files_for_everybody",
    "hand_over",
    "installation_of",
    "is_open_to_all",
    "key_passphrase",
    "limit_new_files",
    "lock",
    "log_to_service_manager",
    "notify_service_manager",
    "on_stop",
    "program_of",
    "replace",
    "software_changed_at",
    "sync_directory",
    "update_tools",
    "volume_of",
]
