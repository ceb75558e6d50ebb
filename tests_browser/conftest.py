"""A headless Chromium of Debian, which asks nothing but this machine."""

import shutil

import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope='session')
def browser():
    """Playwright's browser; a host by another name than localhost is not found."""
    path = shutil.which('chromium')
    if path is None:
        pytest.skip("Debian's chromium is not installed")
    rules = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=['--no-sandbox', rules])
        yield browser
        browser.close()
