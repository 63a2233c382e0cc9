"""What the archive asks of an object store, of a folder and of what speaks S3."""

from __future__ import annotations

import pytest
from support import lines
from support.small_disk import no_file_larger_than, small_disk
from support.tiers import on_every_store

from store.archive import objects as module
from store.archive.objects import Objects, Place, Stored
from store.archive.settings import ArchiveSettings
from store.errors import ArchiveDamaged, ArchiveUnavailable, SettingsError
from store.keys import MS_IN_DAY
from store.settings import StoreSettings

PLACE = Place(lines.CHANNEL_ID, lines.EVENING_MS // MS_IN_DAY * MS_IN_DAY)
BYTES = bytes(range(256)) * 40
MIB = 1 << 20


async def found(objects: Objects) -> bytes:
    return b"".join([piece async for piece in objects.pieces(PLACE)])


@on_every_store
async def test_a_day_is_stored_read_in_part_and_in_whole_listed_and_removed(objects):
    assert await objects.stored(PLACE) is None
    await objects.put(PLACE, iter([BYTES[:7], BYTES[7:]]))
    assert (await objects.stored(PLACE)).size == len(BYTES)
    assert await found(objects) == BYTES
    assert await objects.start(PLACE, 300) == BYTES[:300]
    assert await objects.start(PLACE, MIB) == BYTES
    assert await objects.ranges(PLACE, [(5, 9), (1000, 3000)]) == [BYTES[5:9], BYTES[1000:3000]]
    with pytest.raises(ArchiveDamaged, match="too short"):
        await objects.ranges(PLACE, [(5, 9), (MIB, MIB + 3)])
    assert [place async for place in objects.places()] == [PLACE]
    assert [place async for place in objects.places(PLACE.channel_id)] == [PLACE]
    assert [place async for place in objects.places(77)] == []
    await objects.delete(PLACE)
    await objects.delete(PLACE)
    assert await objects.stored(PLACE) is None
    with pytest.raises(ArchiveDamaged, match=f"has no {PLACE.path}"):
        await objects.start(PLACE, 10)


@on_every_store
async def test_what_was_stored_in_half_is_never_seen(objects, request):
    def broken_off():
        yield b"x" * (9 * MIB)
        yield b"x" * (9 * MIB)
        raise KeyboardInterrupt

    for before in (None, BYTES):
        if before is not None:
            await objects.put(PLACE, iter([before]))
        with pytest.raises(BaseException):  # noqa: B017, PT011 - as the library hands it on
            await objects.put(PLACE, broken_off())
        if before is None:
            assert await objects.stored(PLACE) is None
            assert [place async for place in objects.places()] == []
        else:
            assert await found(objects) == before
    if objects._url.startswith("s3:"):
        s3 = request.getfixturevalue("s3")
        assert s3.uploads(objects._url.split("/")[2]) == 0
    else:
        assert len([path for path in request.getfixturevalue("tmp_path").rglob("*") if path.is_file()]) == 1


@on_every_store
@pytest.mark.parametrize("in_parts", [False, True])
async def test_a_file_is_replaced_only_where_it_is_the_one_that_was_known(objects, monkeypatch, in_parts):
    if in_parts:
        monkeypatch.setattr(module, "_ONE_REQUEST_BYTES", 0)

    async def replace(what: bytes, known: Stored | None) -> bool:
        return await objects.replace(PLACE, lambda: iter([what]), len(what), known)

    assert await replace(b"first", None)
    first = await objects.stored(PLACE)
    assert not await replace(b"late", None)
    assert await replace(b"second", first)
    assert not await replace(b"late", first)
    assert await found(objects) == b"second"
    second = await objects.stored(PLACE)
    await objects.delete(PLACE)
    assert not await replace(b"late", second)
    assert await objects.stored(PLACE) is None


async def test_a_store_without_conditions_is_looked_at_before_it_is_written(s3):
    s3.bucket("plain")
    objects = Objects.open(s3.settings("s3://plain", archive_s3_conditional=False))
    assert await objects.replace(PLACE, lambda: iter([b"first"]), 5, None)
    assert not await objects.replace(PLACE, lambda: iter([b"late"]), 4, None)
    assert await found(objects) == b"first"


def asked_of(objects: Objects):
    """Give one of everything that is asked of objects."""
    yield objects.put(PLACE, iter([BYTES]))
    yield objects.replace(PLACE, lambda: iter([BYTES]), len(BYTES), None)
    yield objects.replace(PLACE, lambda: iter([BYTES]), len(BYTES), Stored(5, '"tag"'))
    yield objects.start(PLACE, 10)
    yield objects.ranges(PLACE, [(0, 5)])
    yield found(objects)
    yield objects.stored(PLACE)
    yield objects.delete(PLACE)
    yield anext(objects.places())


async def test_a_bucket_that_is_not_there_is_a_sentence_and_no_missing_day(s3):
    for asked in asked_of(Objects.open(s3.settings("s3://nowhere/chat"))):
        with pytest.raises(ArchiveUnavailable) as told:
            await asked
        assert str(told.value) == (
            "the archive s3://nowhere/chat does not do what it should: "
            "The specified bucket does not exist (NoSuchBucket)"
        )


async def test_a_key_that_is_not_taken_is_a_sentence(s3):
    s3.bucket("closed")
    objects = Objects.open(s3.settings("s3://closed"))
    with s3.taking_no_key():
        for asked in asked_of(objects):
            with pytest.raises(ArchiveUnavailable, match=r"InvalidAccessKeyId|403 Forbidden$") as told:
                await asked
            assert "<" not in str(told.value)


async def test_a_server_that_is_not_there_is_a_sentence(s3, unused_port):
    objects = Objects.open(s3.settings("s3://logs", archive_s3_endpoint=f"http://127.0.0.1:{unused_port}"))
    with pytest.raises(ArchiveUnavailable, match=r"s3://logs does not do what it should: .* error sending request$"):
        await objects.start(PLACE, 10)


async def test_a_bucket_is_named_by_the_path_or_by_the_host(s3):
    s3.bucket("chat")
    by_host = Objects.open(s3.settings("s3://logs/chat", archive_s3_virtual_host=True))
    await by_host.put(PLACE, iter([BYTES]))  # to a host without a name, so its path begins with what was the prefix
    assert await found(Objects.open(s3.settings("s3://chat"))) == BYTES


def test_an_endpoint_that_is_no_address_is_refused():
    with pytest.raises(ValueError, match="begins with https:// or http://"):
        ArchiveSettings(archive_s3_endpoint="minio.example:9000")


async def test_a_folder_is_made_and_holds_files_where_justlog_puts_them(tmp_path):
    objects = Objects.open(ArchiveSettings(archive_url=(tmp_path / "some folder" / "archive").as_uri()))
    await objects.put(PLACE, iter([BYTES]))
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file == tmp_path / "some folder" / "archive" / PLACE.path
    assert file.read_bytes() == BYTES


@pytest.mark.parametrize(
    ("disk", "said"),
    [(small_disk, r"No space left on device \(os error 28\)"), (None, r"File too large \(os error 27\)")],
)
async def test_a_disk_that_takes_no_more_is_a_sentence_and_what_was_there_stays(tmp_path, disk, said):
    with disk(tmp_path / "disk", 2) if disk else no_file_larger_than(2 * MIB):
        objects = Objects.open(ArchiveSettings(archive_url=(tmp_path / "disk").as_uri()))
        await objects.put(PLACE, iter([BYTES]))
        known = await objects.stored(PLACE)
        with pytest.raises(ArchiveUnavailable, match=f"^the archive file:///.* does not do what it should: .* {said}$"):
            await objects.replace(PLACE, lambda: iter([bytes(MIB)] * 3), 3 * MIB, known)
        assert await found(objects) == BYTES
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["channel.txt.gz"]


async def test_what_cannot_be_stored_is_a_sentence(tmp_path):
    objects = Objects.open(ArchiveSettings(archive_url=tmp_path.as_uri()))
    (tmp_path / str(PLACE.channel_id)).write_text("a file where a folder should be")
    with pytest.raises(ArchiveUnavailable, match=r"the archive file:///.* does not do what it should: .*"):
        await objects.put(PLACE, iter([b"x"]))
    with pytest.raises(SettingsError, match="LOGSTV_ARCHIVE_URL=file:///dev/null/x cannot be opened"):
        Objects.open(ArchiveSettings(archive_url="file:///dev/null/x"))
    with pytest.raises(ValueError, match="an archive is named by a URL"):
        StoreSettings(archive_url="/var/lib")
