"""What each lecture asks and claims, one folder for each topic; `aidagen.teaching` reads it.

A topic's ``__init__`` says its lecture's ``NUMBER``. Where the text cites equations it also says
``MODELS``, the files in ``aidagen/models`` that compute them, and where the plan takes less or more
time than other lectures do, ``MINUTES``, the least and the most. ``exercises.py`` holds
``EXERCISES``, ``OPEN_TASKS``, ``QUESTIONS`` and ``PREDICTIONS``; ``ledger.py``, where there is one,
holds ``ROWS``.
"""
