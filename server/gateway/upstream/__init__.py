"""The client towards the engines: pooled HTTP/1.1 over TCP or a Unix socket.

    address.py      `unix:/path` and `http://host:port/base` as an Address
    connection.py   one connection: a request out, an answer in, back-pressure
    pool.py         idle connections of one address, and one timer for all their timeouts
    balance.py      which upstream of a model takes the next request; ejection and return
    get.py          a GET of the gateway's own

A general HTTP client costs more than everything else that the gateway does (twice, measured with aiohttp),
so this one knows only what an engine needs.
"""
