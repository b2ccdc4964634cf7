"""A small shop, written for alert-infra 0.1.5: it knows nothing of alert-core.

Its own tests (`tests_*.py`) pass on the real 0.1.5 and, unchanged, on alert-infra-compat:
`python -m pytest -c application/pytest.ini application`, in the folder above. test_compat_application.py runs both.
"""
