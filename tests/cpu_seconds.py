"""A pytest plugin: each test's CPU seconds, as the property ``cpu_seconds`` of its JUnit report.

Unlike the seconds of the clock these do not grow because the machine has other things to do. Set-up
and tear-down count, and so do the processes that a test starts: a notebook's kernel, for instance.

    python -m pytest -p tests.cpu_seconds --junitxml=report.xml
"""

import os

import psutil
import pytest


def spent() -> float:
    """CPU seconds of this process and of all that it started, whether they ended or still run."""
    seconds = sum(os.times()[:4])  # user and system, of the process and of its ended children
    for child in psutil.Process().children(recursive=True):
        try:
            seconds += sum(child.cpu_times()[:4])
        except psutil.Error:  # it has ended meanwhile
            continue
    return seconds


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    item.cpu_seconds_before = spent()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    try:
        return (yield)
    finally:
        seconds = max(0.0, spent() - item.cpu_seconds_before)
        item.user_properties.append(("cpu_seconds", f"{seconds:.3f}"))
