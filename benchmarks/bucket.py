"""A bucket in a process of its own, which costs little: `python -m benchmarks.bucket --keys 1000000`.

The keys are those of an array in chunks, 64 to a folder. All files have the same size; latency is before each answer.
"""

import argparse
import asyncio
import hashlib
import re
from functools import lru_cache

from aiohttp import web

PAGE = 1000
HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


class Bucket:
    """Files `volume.n5/{a}/{b}/{c}` by their number."""

    def __init__(self, keys: int, size: int, latency: float) -> None:
        self.keys, self.size, self.latency = keys, size, latency

    @staticmethod
    def key(number: int) -> str:
        """The key of a file; keys sort as numbers do."""
        return f"volume.n5/{number >> 12:06}/{number >> 6 & 63:02}/{number & 63:02}"

    @lru_cache(maxsize=10_000)  # noqa: B019
    def body(self, number: int) -> tuple[bytes, str]:
        """The bytes of a file, and their MD5."""
        body = (b"%08d" % number) * (self.size // 8)
        return body, hashlib.md5(body).hexdigest()

    def page(self, first: int) -> str:
        """A page of the list, from a number on."""
        last = min(first + PAGE, self.keys)
        entries = "".join(
            f"<Contents><Key>{self.key(n)}</Key><LastModified>2024-01-02T03:04:05.000Z</LastModified><ETag>&quot;"
            f"{self.body(n)[1] if self.keys < 10_000 else f'{n:032x}'}&quot;</ETag><Size>{self.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.keys else ""
        truncated = str(bool(more)).lower()
        return (
            f"{HEAD}<Name>data</Name><Prefix>volume.n5/</Prefix><KeyCount>{last - first}</KeyCount>"
            f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{truncated}</IsTruncated>{more}{entries}</ListBucketResult>"
        )

    async def answer(self, request: web.Request) -> web.Response:
        """List, or give a file or a part of it."""
        await asyncio.sleep(self.latency)
        if "list-type" in request.query or "prefix" in request.query:
            first = int(request.query.get("continuation-token", 0))
            return web.Response(text=self.page(first), content_type="application/xml")
        found = re.fullmatch(r"/data/volume\.n5/(\d+)/(\d+)/(\d+)", request.path)
        if not found:
            return web.Response(status=404)
        body, md5 = self.body((int(found[1]) << 12) + (int(found[2]) << 6) + int(found[3]))
        headers = {"ETag": f'"{md5}"', "Last-Modified": "Tue, 02 Jan 2024 03:04:05 GMT", "Accept-Ranges": "bytes"}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")):
            end = int(wanted[2] or len(body) - 1)
            headers["Content-Range"] = f"bytes {wanted[1]}-{end}/{len(body)}"
            return web.Response(status=206, body=body[int(wanted[1]) : end + 1], headers=headers)
        return web.Response(body=body, headers=headers)


async def serve(bucket: Bucket) -> None:
    """Serve on loopback until the process is ended."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bucket.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bucket", description=__doc__)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each file")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    asyncio.run(serve(Bucket(options.keys, options.size, options.latency)))
