"""What each lecture asks and claims, one folder for each topic; `aidagen.teaching` reads it.

A topic's ``__init__`` says its lecture's ``NUMBER`` and, where the text cites equations, the
``MODELS`` of which files they stand in. ``exercises.py`` holds ``EXERCISES``, ``QUESTIONS`` and
``PREDICTIONS``; ``ledger.py``, where there is one, ``ROWS``.
"""
