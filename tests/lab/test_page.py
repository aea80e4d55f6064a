"""The page, in a real browser before a running lab: opened while a home agent dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Callable

import pytest
from health import HealthLab, farm_text, manager_text
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from haslb_lab.chassis.topology import CONTROLLER_MANAGEMENT
from haslb_lab.runner import janitor
from haslb_lab.runner.network import marked_environment
from ryu_haslb.control.protocol import SEPARATOR
from ryu_haslb.slb.drop_reason import DropReason

pytestmark = pytest.mark.lab

PAGE = f"http://{CONTROLLER_MANAGEMENT.ip}:8080/"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
)
AGENT = """\
interface Loopback1
  ip address 10.1.1.10 255.255.255.0
ip mobile home-agent dynamic-address ADDRESS
ip dfp agent ipmobile
  port 500
  interval 5
  inservice
"""
#: Seconds until a change in the lab has to show.
WAIT_TIMEOUT = 60.0
PHONE = (360, 740)


@pytest.fixture(scope="module")
def health() -> Iterator[HealthLab]:
    """The lab with a balancer that serves HTTP at its end of the management link."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HASLB_HTTP", f"{CONTROLLER_MANAGEMENT.ip}:8080")
        with HealthLab() as running:
            yield running


@pytest.fixture
def lab(health: HealthLab) -> HealthLab:
    """Two home agents that one unanswered mobile is enough to fail; the DFP agent of the second is connected to."""
    farm = farm_text(health.address.values(), "weight 3", "faildetect numconns 1 numclients 1", "reassign 1", "retry 5")
    health.begin(farm + manager_text([health.address["sami2"]], "2 0 1"), AGENT)
    return health


@pytest.fixture(scope="module")
def chromium(health: HealthLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Chromium on the switch's side of the management link, in processes that the janitor knows."""
    options = Options()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service("/usr/bin/chromedriver", env=marked_environment())
    driver = WebDriver(options, service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def browser(lab: HealthLab, chromium: WebDriver) -> Iterator[WebDriver]:
    """The page in a tab of its own: its size, its colours and its storage are those of a new one."""
    empty = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    try:
        chromium.get(PAGE)
        wait(chromium, lambda: text(chromium, "#connection") == "Live", "the page is live")
        yield chromium
        assert chromium.get_log("browser") == []
    finally:
        chromium.close()
        chromium.switch_to.window(empty)


def wait(driver: WebDriver, condition: Callable[[], object], what: str, seconds: float = WAIT_TIMEOUT) -> float:
    """Wait until the page shows something; the seconds that it took."""
    begin = time.monotonic()
    WebDriverWait(driver, seconds, 0.05).until(lambda _: condition(), f"not within {seconds} s: {what}")
    return time.monotonic() - begin


def text(driver: WebDriver, selector: str) -> str:
    return driver.find_element(By.CSS_SELECTOR, selector).text


def real(driver: WebDriver, address: str) -> dict[str, str]:
    """The row of a home agent, by the titles of the columns."""
    script = """
        const table = document.querySelector("#farms table");
        const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        const row = [...table.tBodies[0].rows].find((row) => row.cells[0].textContent === arguments[0]);
        return Object.fromEntries([...row.cells].map((cell, index) => [titles[index], cell.textContent]));
    """
    row: dict[str, str] = driver.execute_script(script, address)
    return row


def has_sessions(driver: WebDriver, address: str, count: int) -> bool:
    return real(driver, address)["Sessions"] == str(count)


def has_weight(driver: WebDriver, lab: HealthLab, name: str) -> bool:
    """Whether the page shows a home agent's weight as ``show ip slb reals`` does."""
    return real(driver, lab.address[name])["Weight"] == str(lab.reals()[name]["weight"])


def test_the_page_shows_a_home_agent_die_and_come_back(lab: HealthLab, browser: WebDriver) -> None:
    """Farms and real servers with state, weight, sessions and share of new sessions, updated live."""
    first, second = lab.address.values()
    wait(browser, lambda: text(browser, "#dfp td.state") == "connected", "the DFP agent is connected")
    lab.register(40)
    bound = {name: len(nais) for name, nais in lab.bindings().items()}
    for name, address in lab.address.items():
        wait(browser, partial(has_sessions, browser, address, bound[name]), f"{name}: {bound[name]}")
        wait(browser, partial(has_weight, browser, lab, name), f"the weight of {name}, which its DFP agent may change")
        row = real(browser, address)
        assert row["State"] == "OPERATIONAL"
        assert row["Share of new, 5 min"] == f"{round(100 * bound[name] / 40)} %"

    lab.end("sami2", signal.SIGKILL)
    wait(browser, lambda: text(browser, "#dfp td.state") != "connected", "its DFP agent is lost")
    lab.register(40)
    lab.register_until_failed("sami2")
    wait(browser, lambda: real(browser, second)["State"] in ("FAILED", "READY_TO_TEST"), "it has failed")
    wait(browser, lambda: "1 of 2" in text(browser, "#tiles"), "one of two is up")
    wait(browser, lambda: f"{second} (HAFARM): FAILED" in text(browser, "#events"), "it is in the history")
    assert real(browser, first)["State"] == "OPERATIONAL"
    assert text(browser, "#notices") == ""

    lab.start("sami2", AGENT)
    lab.await_state("sami2", "OPERATIONAL")
    wait(browser, lambda: real(browser, second)["State"] == "OPERATIONAL", "it is back")
    wait(browser, lambda: text(browser, "#dfp td.state") == "connected", "its DFP agent is back")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#clients tbody tr"), "the PDSN is a busy client")


def test_a_home_agent_whose_link_goes_down_is_unreachable(lab: HealthLab, browser: WebDriver) -> None:
    second = lab.address["sami2"]
    node = lab.lab.node("sami2")
    wait(browser, lambda: real(browser, second)["State"] == "OPERATIONAL", "it is operational")
    node.cmd("ip link set sami2-eth0 down")
    try:
        wait(browser, lambda: real(browser, second)["State"] == "UNREACHABLE", "its link is down")
        wait(browser, lambda: f"{second} (HAFARM): unreachable" in text(browser, "#events"), "it is in the history")
    finally:
        node.cmd("ip link set sami2-eth0 up")
    wait(browser, lambda: real(browser, second)["State"] == "OPERATIONAL", "its link is up")


def test_a_farm_without_a_home_agent_is_said_at_the_top(lab: HealthLab, browser: WebDriver) -> None:
    def place(command: str) -> None:
        for address in lab.address.values():
            commands = SEPARATOR.join(("ip slb serverfarm HAFARM", f"real {address}", command))
            lab.lab.command("controller", f"config '{commands}'")

    place("no inservice")
    try:
        wait(
            browser, lambda: "farm HAFARM has no home agent for new sessions" in text(browser, "#notices"), "it is said"
        )
    finally:
        place("inservice")
    wait(browser, lambda: text(browser, "#notices") == "", "it is over")


def test_a_session_is_found_by_its_nai(lab: HealthLab, browser: WebDriver) -> None:
    lab.register(3)
    nai = next(iter(next(filter(None, lab.bindings().values()))))
    browser.find_element(By.ID, "nai").send_keys(nai, Keys.ENTER)
    wait(browser, lambda: nai in text(browser, "#found table"), "the session is shown")
    browser.find_element(By.ID, "nai").send_keys("x", Keys.ENTER)
    wait(browser, lambda: text(browser, "#found") == f"{nai}x has no live session.", "there is none")


def test_drop_reasons_are_shown_as_they_occur(lab: HealthLab, browser: WebDriver) -> None:
    assert text(browser, "#drops") == "None."
    lab.lab.node("pdsn1").cmd("echo nonsense > /dev/udp/10.1.1.10/434")
    wait(
        browser,
        lambda: DropReason.NOT_REGISTRATION_REQUEST.text in text(browser, "#drops"),
        "the reason is shown",
    )


def test_a_dead_balancer_is_said_and_the_page_lives_again_with_it(lab: HealthLab, browser: WebDriver) -> None:
    lab.lab.stop_controller()
    wait(browser, lambda: text(browser, "#connection").startswith("No answer"), "it says so")
    lab.lab.start_controller()
    wait(browser, lambda: text(browser, "#connection") == "Live", "it is live again")
    browser.get_log("browser")  # Chromium notes each request that failed


def test_everything_is_usable_on_a_phone(lab: HealthLab, browser: WebDriver) -> None:
    """Nothing is wider than the screen, and what can be pressed is as large as a finger (WCAG 2.2, 2.5.8)."""
    width, height = PHONE
    metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    for cell in browser.find_elements(By.CSS_SELECTOR, "#farms tbody > tr > *"):
        assert cell.is_displayed()
        assert cell.rect["x"] >= 0
        assert cell.rect["x"] + cell.rect["width"] <= width
    button = browser.find_element(By.ID, "pause")
    assert min(button.size.values()) >= 24


def test_everything_is_usable_by_keyboard(lab: HealthLab, browser: WebDriver) -> None:
    """Every control is reached with Tab, visibly; the page stands still while it is paused (WCAG 2.2, 2.1.1, 2.2.2)."""

    def press(*keys: str) -> WebElement:
        webdriver.ActionChains(browser).send_keys(*keys).perform()
        return browser.switch_to.active_element

    assert press(Keys.TAB).text == "Skip to the real servers"
    assert press(Keys.ENTER).get_attribute("id") == "reals"
    reached = [press(Keys.TAB) for _ in range(5)]
    names = ["nai", "Find", "events", "Metrics", "API description"]
    assert [each.get_attribute("id") or each.text for each in reached] == names
    browser.execute_script("document.activeElement.blur(); document.querySelector('.skip').focus()")
    button = press(Keys.TAB)
    assert button.get_attribute("id") == "pause"
    assert button.value_of_css_property("outline-style") == "solid"
    press(Keys.SPACE)
    assert button.get_attribute("aria-pressed") == "true"
    before = text(browser, "[data-tile=sessions]")
    lab.register(10)
    requests = "return performance.getEntriesByType('resource').length"
    assert text(browser, "[data-tile=sessions]") == before
    asked = browser.execute_script(requests)
    press(Keys.SPACE)
    wait(browser, lambda: text(browser, "[data-tile=sessions]") == str(int(before) + 10), "it goes on")
    assert browser.execute_script(requests) > asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(lab: HealthLab, browser: WebDriver, scheme: str) -> None:
    """Contrast of 4.5 to 1 at least (WCAG 2.2, 1.4.3), of every text and every level."""
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    script = """
        const luminance = (color) => {
          const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ground = (element) => {
          const color = getComputedStyle(element).backgroundColor;
          return /, 0\\)$/.test(color) && element.parentElement ? ground(element.parentElement) : color;
        };
        const state = document.querySelector("#farms td.state");
        const contrasts = [];
        for (const level of ["good", "degraded", "bad"]) {
          state.dataset.level = level;
          for (const element of document.querySelectorAll("h1, h2, p, a, th, td, dt, dd, caption, button")) {
            const colors = [getComputedStyle(element).color, ground(element)];
            const [dark, light] = colors.map(luminance).sort((one, other) => one - other);
            contrasts.push([(light + 0.05) / (dark + 0.05), element.outerHTML]);
          }
        }
        return contrasts.sort((one, other) => one[0] - other[0])[0];
    """
    contrast, where = browser.execute_script(script)
    assert contrast >= 4.5, where


def test_the_lab_s_janitor_knows_the_browser(lab: HealthLab, browser: WebDriver) -> None:
    """A lab that is killed leaves nothing behind, no browser either."""
    programs = set()
    for process in janitor.processes():
        with suppress(OSError):  # those of tabs that were closed end meanwhile
            programs.add(Path(f"/proc/{process}/comm").read_text().strip())
    assert {"chromedriver", "chromium"} <= programs
