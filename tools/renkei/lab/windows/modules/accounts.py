"""Users, groups, their membership, user rights."""

from typing import Any

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model, update

_FLAGS = ("password_never_expires", "user_cannot_change_password", "password_expired", "account_locked")
_TEXTS = ("description", "fullname", "home_directory", "login_script", "profile")


@model("ansible.windows.win_user")
def win_user(host: Host, call: Call) -> Result:
    """Make, change or remove a local account."""
    name, key = call.text("name"), call.text("name").lower()
    user = host.users.get(key)
    if call["state"] == "absent":
        if user is not None and not call.check_mode:
            del host.users[key]
        return {"changed": user is not None, "name": name, "state": "absent"}
    if call["state"] == "query":
        return {"changed": False, "name": name, "state": "present" if user else "absent"}
    changed = user is None
    user = dict(user) if user else {"name": name, "disabled": False, "description": ""}
    wanted: dict[str, Any] = {field: call[field] for field in (*_TEXTS, *_FLAGS)} | {
        "disabled": call["account_disabled"]
    }
    if call["password"] is not None and (changed or call.text("update_password") == "always"):
        wanted["password"] = call["password"]
    changed |= update(user, wanted, check_mode=False)
    if not call.check_mode:
        host.users[key] = user
    changed |= _join(host, name, call)
    groups = [{"name": group} for group in host.groups_of(name)]
    return {"changed": changed, "name": name, "state": "present", "groups": groups}


@model("ansible.windows.win_group")
def win_group(host: Host, call: Call) -> Result:
    """Make, change or remove a local group."""
    name, key = call.text("name"), call.text("name").lower()
    group = host.groups.get(key)
    if call["state"] == "absent":
        if group is not None and not call.check_mode:
            del host.groups[key]
        return {"changed": group is not None}
    changed = group is None
    group = dict(group) if group else {"name": name, "description": "", "members": []}
    changed |= update(group, {"description": call["description"]}, check_mode=False)
    if not call.check_mode:
        host.groups[key] = group
    return {"changed": changed, "name": name}


@model("ansible.windows.win_group_membership")
def win_group_membership(host: Host, call: Call) -> Result:
    """Bring the members of a group to what is wanted."""
    group = host.groups.get(call.text("name").lower())
    if group is None:
        raise Failed(f"Could not find local group {call['name']}")
    before = list(group["members"])
    after = _members(before, call["members"] or [], call.text("state") or "present")
    if not call.check_mode:
        group["members"] = after
    added, removed = [name for name in after if name not in before], [name for name in before if name not in after]
    return {
        "changed": bool(added or removed),
        "added": added,
        "removed": removed,
        "members": after,
        "name": group["name"],
    }


@model("ansible.windows.win_user_right")
def win_user_right(host: Host, call: Call) -> Result:
    """Give and take user rights."""
    name = call.text("name")
    before = list(host.rights.get(name, []))
    state = {"add": "present", "remove": "absent", "set": "pure"}[call.text("action") or "set"]
    after = _members(before, [user for user in call["users"] or [] if user], state)
    if not call.check_mode:
        host.rights[name] = after
    added, removed = [each for each in after if each not in before], [each for each in before if each not in after]
    return {"changed": bool(added or removed), "added": added, "removed": removed}


def _members(before: list[str], wanted: list[str], state: str) -> list[str]:
    have = {name.lower() for name in before}
    if state == "present":
        return [*before, *(name for name in wanted if name.lower() not in have)]
    names = {name.lower() for name in wanted}
    if state == "absent":
        return [name for name in before if name.lower() not in names]
    kept = [name for name in before if name.lower() in names]
    return [*kept, *(name for name in wanted if name.lower() not in have)]


def _join(host: Host, user: str, call: Call) -> bool:
    """Bring the groups of an account to what is wanted; membership is kept with the groups."""
    if call["groups"] is None:
        return False
    state = {"add": "present", "remove": "absent", "replace": "pure"}[call.text("groups_action") or "replace"]
    before = host.groups_of(user)
    after = _members(before, [str(group) for group in call["groups"]], state)
    if unknown := [name for name in after if name.lower() not in host.groups]:
        raise Failed(f"group '{unknown[0]}' not found")
    if not call.check_mode:
        for name in {*before, *after}:
            members = host.groups[name.lower()]["members"]
            host.groups[name.lower()]["members"] = _members(members, [user], "present" if name in after else "absent")
    return sorted(before) != sorted(after)
