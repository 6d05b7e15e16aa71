"""Files, batches and what each batch has done so far: SQLite files and plain files in one folder, shared by all gateway workers.

state.sqlite        files and batches (state.py)
files/<file id>     what a file holds (folder.py)
work/<batch id>.*   of a running batch: its results (work.py) and its input
workers/<id>        held by a lock for as long as that worker lives (alive.py)
"""
