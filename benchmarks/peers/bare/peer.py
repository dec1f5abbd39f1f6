"""The limit: fetch and parse in a loop of libcurl and Lexbor. No queue, retries, store, or absolute URLs."""

from __future__ import annotations

from io import BytesIO

import pycurl
from extraction import references
from protocol import CONCURRENCY, JOBS, Count, ready
from selectolax.lexbor import LexborHTMLParser


def start(multi: pycurl.CurlMulti, handle: pycurl.Curl, url: str) -> None:
    handle.body = BytesIO()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEDATA, handle.body)
    multi.add_handle(handle)


def end(handle: pycurl.Curl, count: Count) -> None:
    ok = handle.getinfo(pycurl.RESPONSE_CODE) == 200
    if ok:
        count.media += len(references(LexborHTMLParser(handle.body.getvalue())))
    count.job_ended(ok)


def main() -> None:
    ready()
    count, multi, urls = Count(), pycurl.CurlMulti(), iter(JOBS)
    multi.setopt(pycurl.M_MAXCONNECTS, CONCURRENCY)
    for _, url in zip(range(CONCURRENCY), urls, strict=False):
        start(multi, pycurl.Curl(), url)
    while count.ok + count.failed < len(JOBS):
        multi.perform()
        remaining = 1
        while remaining:
            remaining, finished, failed = multi.info_read()
            for handle in finished:
                end(handle, count)
            for _ in failed:
                count.job_ended(False)
            for handle in [*finished, *(handle for handle, _, _ in failed)]:
                multi.remove_handle(handle)
                if url := next(urls, None):
                    start(multi, handle, url)
        multi.select(1.0)
    count.report()


main()
