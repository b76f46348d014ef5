#!/usr/bin/env python3
"""Opens reports in headless Chromium: on screen and on paper, narrow and wide, light and dark.

    python tests/browser/report_walk.py SAMPLES [SCREENSHOTS]

Needs the packages of requirements.txt beside it, Chromium with its driver, and the reports that the
ignored test `samples_for_a_browser` writes to SAMPLES. Prints a line for each check; the exit code
is 1 if anything failed. Saves pictures for the documentation if SCREENSHOTS is given.
"""

import base64
import re
import shutil
import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NARROW, WIDE = 400, 1400
SHOWN = """
return [...document.querySelectorAll(".rows tbody tr")]
    .filter((row) => row.checkVisibility()).length
"""

failures = []


def check(what, holds):
    print(f"{'ok' if holds else 'FAILED':7} {what}")
    if not holds:
        failures.append(what)


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
    # A container has no user namespaces and little shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, Service(shutil.which("chromedriver")))


def show(driver, width, scheme="light", height=900):
    """Sets the width of the window, and the color scheme that the reader prefers."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def shown(driver):
    return driver.execute_script(SHOWN)


def filtered(driver, text):
    """The number of rows that are shown once the filter has this text, and the seconds it took."""
    field, output = (driver.find_element(By.ID, name) for name in ("text", "shown"))
    driver.execute_script("arguments[0].value = ''; arguments[1].textContent = ''", field, output)
    start = time.monotonic()
    # All at once: while keys arrive one by one, a part of the text would also filter.
    driver.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", field, text
    )
    WebDriverWait(driver, 20, 0.01).until(lambda _: output.text)
    count = shown(driver)
    return count, time.monotonic() - start


def filters(driver, rows):
    """The filter by text and outcome."""
    check(f"{rows} rows are shown at first", shown(driver) == rows)
    count, secs = filtered(driver, "prod-7")
    check(f"a filter shows {count} rows, after {secs:.2f} s", 0 < count < rows)
    two, _ = filtered(driver, "prod-7 payments")
    check(f"a second word leaves {two} of them", 0 < two < count)
    none, _ = filtered(driver, "no-such-name")
    check("a name that does not exist leaves none", none == 0)
    filtered(driver, "prod")
    Select(driver.find_element(By.ID, "outcome")).select_by_value("Failed")
    failed = shown(driver)
    check(f"an outcome shows {failed} rows", 0 < failed < rows)


def layout(driver):
    """At each width and in each color scheme."""
    backgrounds = set()
    for width in (NARROW, WIDE):
        for scheme in ("light", "dark"):
            show(driver, width, scheme)
            page = driver.execute_script("return document.documentElement.scrollWidth")
            check(f"at {width}, {scheme}: the page is {page} wide", page <= width)
            color = "return getComputedStyle(document.body).backgroundColor"
            backgrounds.add(driver.execute_script(color))
    check("light and dark have different backgrounds", len(backgrounds) == 2)


def paper(driver, rows):
    """The page as PDF, in which rows that a filter hides are printed also."""
    show(driver, WIDE, "dark")
    filtered(driver, "no-such-name")
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    check(f"{rows} rows are printed on {pages} pages", pages > 1 + rows // 40)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    check("each row is printed", shown(driver) == rows)
    color = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    check("paper is white, also if the reader prefers dark", color == "rgb(255, 255, 255)")


def messages(driver, name):
    """Nothing in the console: no error, and no violation of the policy."""
    log = driver.get_log("browser")
    check(f"{name}: no message in the console {log or ''}", not log)


def load(driver, samples, name):
    start = time.monotonic()
    driver.get((samples / name).resolve().as_uri())
    driver.execute_script("return document.body.offsetHeight")
    return time.monotonic() - start


def pictures(driver, samples, folder):
    """The pictures of the documentation."""
    for scheme, name in (("light", "report.png"), ("dark", "report-dark.png")):
        load(driver, samples, "100.html")
        show(driver, 1100, scheme, 1250)
        driver.save_screenshot(str(folder / name))


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    samples = Path(sys.argv[1])
    driver = browser()
    try:
        for name, rows in (("100.html", 100), ("10000.html", 10_000)):
            secs = load(driver, samples, name)
            print(f"{name}: loaded after {secs:.2f} s")
            show(driver, WIDE)
            filters(driver, rows)
            messages(driver, name)
        load(driver, samples, "100.html")
        layout(driver)
        paper(driver, 100)
        messages(driver, "on paper")
        load(driver, samples, "hostile.html")
        layout(driver)
        messages(driver, "hostile names")
        if len(sys.argv) == 3:
            pictures(driver, samples, Path(sys.argv[2]))
    finally:
        driver.quit()
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
