"""Sending and receiving through the hub: the way of a parcel from its sender to its recipient, and of the receipt back."""


def test_a_parcel_goes_its_way_and_the_receipt_comes_back(bench, shinjuku, ministry):
    parcel = shinjuku.send(ministry.machine)
    page = ministry.inbox()
    assert [(item["cursor"], item["kind"]) for item in page["items"]] == [(1, "manifest")]
    assert page["next"] == 1
    assert ministry.content("131041", parcel).content == parcel.sealed
    assert ministry.receipt(parcel, "131041").status_code == 201
    assert [item["kind"] for item in shinjuku.inbox()["items"]] == ["receipt"]
    assert ministry.inbox()["items"] == []
    assert shinjuku.get("/v1/streams/ministry/notices").json() == {"next_sequence": 2, "unreceipted": []}
