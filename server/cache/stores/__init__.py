"""Where cached answers are kept: a memory of each worker in front, and behind it a store that all workers share.

levels.py   the two together, as the gateway uses them: `open_store`
base.py     what a store is
memory.py   bounded in bytes, least recently used first out
sqlite.py   one file for all workers of a machine; reader.py, writer.py, file.py and tables.py are what it stands on
valkey.py   a server for several machines
breaker.py  when a store is not asked
filter.py   which keys a store may have
"""
