"""A download that ends with the server's bytes, or with a message and all that has arrived."""

import json
import random
import shlex
import shutil
from collections import namedtuple
from urllib.parse import urlsplit

import pytest
import requests

from pix2pix_lit.data.download import Archive, Patience, download, require_space
from pix2pix_lit.errors import UserError

BODY = random.Random(0).randbytes(500_000)
OTHER = random.Random(1).randbytes(400_000)
DATES = {"ETag": None, "Last-Modified": "Tue, 01 Nov 2016 10:00:00 GMT"}


@pytest.fixture
def server(file_server):
    file_server.body = BODY
    return file_server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.part"


def test_a_file_arrives_byte_for_byte(server, path, hurry):
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    assert server.ranges == [None]


def test_a_server_need_not_give_the_length(server, path, hurry):
    server.answers = [server.file(length=False)]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY


def test_compressed_bytes_are_not_decoded_whatever_the_content_encoding(server, path, hurry):
    server.headers["Content-Encoding"] = "gzip"
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_the_progress_bar_counts_bytes_and_resumes_where_it_ended(server, path, hurry, capsys):
    server.answers = [server.file(stop_at=200_000)]
    download(server.url, path, patience=hurry)
    first, *_, last = (line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "B/s" in line)
    assert first.startswith("facades.tar.gz:")
    assert "0.00/500k" in first
    assert "500k/500k" in last


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, DATES, DATES | {"ETag": 'W/"weak"'}])
def test_a_broken_download_resumes_if_the_file_is_unchanged(server, path, hurry, headers):
    server.headers = headers
    server.answers = [server.file(stop_at=200_000)]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    first, second = server.requests
    assert "Range" not in first
    assert second["Range"] == "bytes=200000-"
    assert second["If-Range"] == (headers.get("Last-Modified") or headers["ETag"])


def test_without_a_validator_the_length_decides_whether_to_resume(server, path, hurry):
    server.headers = {}
    server.answers = [server.file(stop_at=200_000)]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY
    assert server.ranges[1] is not None
    assert "If-Range" not in server.requests[1]


def test_a_206_without_a_validator_resumes(server, path, hurry):
    server.headers = dict(DATES)

    def forgets_date(handler):
        server.headers = {}
        server.file(if_range=False)(handler)

    server.answers = [server.file(stop_at=200_000), forgets_date]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_later_call_resumes_where_an_earlier_one_gave_up(server, path):
    server.answers = [server.file(stop_at=300_000)]
    with pytest.raises(UserError, match=r"300,000 bytes of it have arrived, and the same command resumes"):
        download(server.url, path, patience=Patience(1, ()))
    assert path.read_bytes() == BODY[:300_000]
    download(server.url, path, patience=Patience(1, ()))
    assert path.read_bytes() == BODY
    assert server.ranges[1] == "bytes=300000-"


def test_a_reset_connection_is_retried(server, path, hurry):
    server.answers = [server.file(stop_at=stop, then="reset") for stop in (0, 100_000, 300_000)]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY


def test_attempts_that_make_progress_are_not_counted(server, path, hurry):
    server.answers = [server.file(stop_at=stop) for stop in range(60_000, 500_000, 65_536)]
    assert len(server.answers) > len(hurry.pause_seconds) + 1
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY


def test_a_server_that_always_breaks_off_at_one_place_is_given_up(server, path, hurry):
    server.answers = [server.file(ranges=False, stop_at=200_000) for _ in range(20)]
    with pytest.raises(UserError, match="cannot be downloaded"):
        download(server.url, path, patience=hurry)
    assert len(server.requests) == 1 + len(hurry.pause_seconds)


def test_a_request_to_a_silent_server_is_repeated(server, path, hurry):
    server.answers = [server.file(stop_at=200_000, then="stall")]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_server_that_stays_silent_is_given_up(server, path):
    server.answers = [server.file(stop_at=0, then="stall") for _ in range(2)]
    with pytest.raises(UserError, match="Read timed out"):
        download(server.url, path, patience=Patience(0.2, (0,)))
    assert len(server.requests) == 2


def test_pauses_between_attempts_grow(server, path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    server.answers = [server.status(503)] * 9
    with pytest.raises(UserError, match="answers 503 Service Unavailable"):
        download(server.url, path)
    assert waits == sorted(waits) == list(Patience().pause_seconds)


def test_a_server_that_ignores_ranges_starts_over(server, path, hurry):
    server.answers = [server.file(stop_at=200_000), server.file(ranges=False)]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    assert server.ranges[1] is not None


@pytest.mark.parametrize("if_range", [True, False], ids=["If-Range is honoured", "If-Range is ignored"])
@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, DATES], ids=["ETag", "Last-Modified"])
@pytest.mark.parametrize("body", [OTHER, OTHER + OTHER[:100_000]], ids=["other length", "same length"])
def test_a_file_that_has_changed_is_downloaded_from_the_start(server, path, hurry, headers, if_range, body):
    server.headers = dict(headers)

    def changed(handler):
        server.change(body, state=2)
        server.file(if_range=if_range)(handler)

    server.answers = [server.file(stop_at=200_000), changed]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == body


def test_a_file_that_has_become_shorter_is_downloaded_from_the_start(server, path, hurry):
    server.headers = {}

    def shrunk(handler):
        server.change(BODY[:50_000], state=2)
        server.file()(handler)

    server.answers = [server.file(stop_at=200_000), shrunk]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY[:50_000]
    assert len(server.requests) == 3  # the second was answered with 416


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_range_that_was_not_requested_is_not_appended(server, path, hurry, shift):
    server.answers = [server.file(stop_at=200_000), server.file(shift=shift)]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY


def test_a_range_is_refused_if_none_was_requested(server, path, hurry):
    server.answers = [server.status(206, b"abc", Content_Range="bytes 0-2/500000")]
    with pytest.raises(UserError, match="answers 206 Partial Content; expected the file"):
        download(server.url, path, patience=hurry)


def test_a_partial_file_of_another_address_is_not_resumed(server, path, hurry):
    server.answers = [server.file(stop_at=200_000)]
    with pytest.raises(UserError):
        download(f"{server.origin}/other.tar.gz", path, patience=Patience(1, ()))
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY
    assert server.ranges == [None, None]


@pytest.mark.parametrize("note", ["", '{"url": "http', None])
def test_a_partial_file_without_a_complete_note_is_not_resumed(server, path, hurry, note):
    path.write_bytes(OTHER)
    if note is not None:
        path.with_name("file.part.json").write_text(note)
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY


def test_a_finished_download_is_not_requested_again(server, path, hurry):
    for _ in range(2):
        download(server.url, path, patience=hurry)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "reason"), [(404, "Not Found"), (403, "Forbidden"), (410, "Gone")])
def test_a_refusal_is_reported_at_once_and_keeps_the_partial_file(server, path, hurry, code, reason):
    server.answers = [server.file(stop_at=200_000), server.status(code)]
    with pytest.raises(UserError, match=f"answers {code} {reason}; expected the file: check data.archive.url, or pass"):
        download(server.url, path, patience=hurry)
    assert len(server.requests) == 2
    assert path.read_bytes() == BODY[:200_000]


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_error_is_retried(server, path, hurry, code):
    server.answers = [server.status(code)]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY


def test_a_web_page_instead_of_the_file_is_refused_and_keeps_the_partial_file(server, path, hurry):
    server.answers = [
        server.file(stop_at=200_000),
        server.status(200, b"<html>log in", Content_Type="text/html; charset=utf-8"),
    ]
    with pytest.raises(UserError, match="answers with a web page; expected the file"):
        download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY[:200_000]


def test_a_file_of_another_size_is_refused_before_it_is_downloaded(server, path, hurry):
    with pytest.raises(UserError, match=r"has 500,000 bytes; expected 500,001: .* pass data.archive.bytes=null"):
        download(server.url, path, 500_001, hurry)
    assert not path.exists()


def test_more_bytes_than_expected_are_refused(server, path, hurry):
    server.answers = [server.file(length=False)]
    with pytest.raises(UserError, match="sends more than the 300,000 bytes expected"):
        download(server.url, path, 300_000, hurry)
    assert path.stat().st_size <= 300_000


def test_missing_bytes_are_requested_again(server, path, hurry):
    def short(handler):
        server.body = BODY[:300_000]
        server.file(length=False)(handler)
        server.body = BODY

    server.answers = [short]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    assert server.ranges == [None, "bytes=300000-"]


def test_redirects_are_followed_and_keep_the_range(server, path, hurry):
    def moved():
        return server.status(302, Location="/elsewhere/file")

    server.answers = [moved(), server.file(stop_at=200_000), moved()]
    download(server.url, path, len(BODY), hurry)
    assert path.read_bytes() == BODY
    assert server.ranges[2] == server.ranges[3] != None  # noqa: E711


@pytest.mark.parametrize(
    "target",
    [
        "http://[::1",
        "http://a:b:c/x",
        "http://:80",
        "https://",
        "gopher://x",
        "http://x:99999/",
        "http://\xff.x/y",
    ],
)
def test_a_redirect_to_an_invalid_address_is_reported(server, path, hurry, target):
    server.answers = [server.status(302, Location=target) for _ in range(9)]
    with pytest.raises(UserError, match=f"^{server.url} (cannot be requested|cannot be downloaded|answers)"):
        download(server.url, path, patience=hurry)


@pytest.mark.parametrize(("code", "tries"), [(503, 9), (404, 1)])
def test_text_from_a_server_cannot_control_the_terminal(server, path, hurry, caplog, code, tries):
    server.answers = [server.status(code, reason="\x1b[2J\x07gone") for _ in range(tries)]
    with pytest.raises(UserError, match=rf"answers {code} \\x1b\[2J\\x07gone") as error:
        download(server.url, path, patience=hurry)
    assert str(error.value).isprintable()
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert len(caplog.records) == (3 if tries > 1 else 0)


@pytest.mark.parametrize("header", ["Content-Range", "Content-Length"])
def test_endless_numbers_are_ignored(server, path, hurry, header):
    digits = "9" * 5000
    value = f"bytes 200000-{digits}/{digits}" if header == "Content-Range" else digits
    server.answers = [server.file(stop_at=200_000), server.status(206, **{header.replace("-", "_"): value})]
    download(server.url, path, patience=hurry)
    assert path.read_bytes() == BODY


def test_endless_redirects_are_an_error(server, path, hurry):
    server.answers = [server.status(302, Location="/facades.tar.gz") for _ in range(50)]
    with pytest.raises(UserError, match=r"cannot be requested \(Exceeded 30 redirects.\)"):
        download(server.url, path, patience=hurry)


@pytest.mark.parametrize("target", ["http://example.org/x.tar.gz", "ftp://example.org/x.tar.gz"])
def test_a_redirect_from_https_to_something_unsafe_is_not_followed(path, hurry, monkeypatch, target):
    asked = []

    class Redirects(requests.adapters.BaseAdapter):
        def send(self, request, **_):
            asked.append(request.url)
            response = requests.Response()
            response.status_code, response.url, response.request = 302, request.url, request
            response.headers["Location"] = target
            return response

        def close(self): ...

    monkeypatch.setattr(requests.Session, "get_adapter", lambda self, url: Redirects())
    with pytest.raises(UserError, match=f"redirects to {target}, .* expected https"):
        download("https://example.org/x.tar.gz", path, patience=hurry)
    assert asked == ["https://example.org/x.tar.gz"]


def test_an_unreachable_server_is_reported_after_some_attempts(server, path, hurry):
    server.close()
    with pytest.raises(UserError, match=f"no answer from {urlsplit(server.url).netloc}.* try again later"):
        download(server.url, path, patience=hurry)


def test_a_full_disk_is_reported_before_the_download(server, path, hurry, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(999_999))
    with pytest.raises(UserError, match=r"has 1 MB free; expected 1 MB for http.*facades.tar.gz and its contents"):
        download(server.url, path, patience=hurry)
    assert not path.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1_000_000))
    download(server.url, path, patience=hurry)


def test_missing_space_is_reported_with_what_to_do(tmp_path):
    require_space(tmp_path, 1, "for one byte")
    with pytest.raises(UserError, match=r"expected 1,000,000,000,000 MB for much: make room, or .*data.root=PATH"):
        require_space(tmp_path, 10**18, "for much")


def test_any_sequence_of_faults_ends_with_the_bytes_of_the_server(server, tmp_path):
    rng = random.Random(2)
    for run in range(25):
        server.change(BODY, state=10 * run)
        faults = [
            lambda: server.file(stop_at=rng.randrange(500_000)),
            lambda: server.file(stop_at=rng.randrange(500_000), then="reset"),
            lambda: server.file(stop_at=rng.randrange(500_000), length=False),
            lambda: server.file(stop_at=rng.randrange(500_000), ranges=False),
            lambda: server.file(stop_at=rng.randrange(500_000), if_range=False, shift=rng.choice([0, 7])),
            lambda: server.status(503),
            lambda: server.status(416),
            lambda: server.status(307, Location="/elsewhere"),
        ]
        server.answers = [rng.choice(faults)() for _ in range(rng.randrange(6))]
        path = tmp_path / f"{run}.part"
        change_at = rng.randrange(4)
        for call in range(8):
            if call == change_at:
                server.change(OTHER, state=10 * run + 1)
            try:
                download(server.url, path, patience=Patience(5, (0,)))
                break
            except UserError:
                continue
        assert path.read_bytes() == server.body
        assert json.loads((tmp_path / f"{run}.part.json").read_text())["total"] in (len(server.body), None)


URL = "https://example.org/sets/facades.tar.gz"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "facades.tar.gz"}, "data.archive.url is 'facades.tar.gz'; expected an address"),
        ({"url": "file:///etc/passwd"}, "data.archive.url is"),
        ({"bytes": 0}, "data.archive.bytes is 0; expected a whole number, 1 or more"),
        ({"bytes": "30 MB"}, "data.archive.bytes is '30 MB'"),
        ({"bytes": True}, "data.archive.bytes is True"),
        ({"sha256": "abc"}, "data.archive.sha256 is 'abc'; expected 64 digits"),
        ({"sha256": "A" * 64}, "data.archive.sha256 is"),
    ],
)
def test_invalid_archive_settings_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        Archive(**{"url": URL, **values})


def test_an_archive_gives_the_command_that_prepares_it():
    archive = Archive(URL)
    assert archive.name == "facades"
    assert archive.arguments("data/facades") == "data=facades"
    assert archive.prepare_command("data/facades") == "pix2pix-lit prepare data=facades"
    command = archive.prepare_command("/my pairs/it's $here")
    assert shlex.split(command)[2:] == ["data=facades", "data.root=/my pairs/it's $here"]
