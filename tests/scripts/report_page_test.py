"""A report as its readers see it: well-formed, small, and working in Chromium.

ROUNDLAB_SCREENSHOTS=FOLDER keeps screenshots there, to look at.
"""
import html.parser
import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
VOID = {"meta", "link", "br", "hr", "img", "input"}
SHOTS = os.environ.get("ROUNDLAB_SCREENSHOTS")


def make_report(folder, widths, seeds, blocks):
    """Of 1 + widths * (1 + 2 * seeds) runs; gives the folder of the report."""
    runs = folder + "/exp"
    subprocess.run([os.environ["ROUNDLAB_WRITE_RUNS"], runs, str(widths), str(seeds), str(blocks)], check=True)
    broken = sorted(path for path in pathlib.Path(runs).iterdir() if path.is_dir())[3]
    (broken / "run.json").write_text('{"id"')
    subprocess.run([os.environ["ROUNDLAB_PROGRAM"], "report", runs, "--quiet"], check=True, capture_output=True)
    return pathlib.Path(runs) / "report"


class Balance(html.parser.HTMLParser):
    """Fails where tags don't nest."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.ids = []

    def handle_starttag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


class WithReport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.report = make_report(cls.folder.name, 2, 3, 4)
        cls.page_url = (cls.report / "report.html").as_uri()


class FilesTest(WithReport):
    def test_tags_nest_and_ids_are_unique(self):
        page = Balance()
        page.feed((self.report / "report.html").read_text())
        self.assertEqual(page.open, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))

    def test_plots_are_well_formed_files_of_their_own(self):
        files = list((self.report / "plots").glob("*.svg"))
        self.assertGreater(len(files), 10)
        for file in files:
            root = xml.etree.ElementTree.parse(file).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")

    def test_200_runs_stay_below_5_megabytes(self):
        with tempfile.TemporaryDirectory() as folder:
            report = make_report(folder, 20, 5, 30)  # 221 runs
            self.assertLess((report / "report.html").stat().st_size, 5e6)


@unittest.skipUnless(CHROMIUM and importlib.util.find_spec("playwright"), "needs Chromium and Python's playwright library")
class BrowserTest(WithReport):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from playwright.sync_api import sync_playwright
        player = sync_playwright().start()
        cls.addClassCleanup(player.stop)
        cls.browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)

    def open(self, url=None, **context):
        """A page on which every message of the console and every request but its own fails the test."""
        context = self.browser.new_context(**context)
        self.addCleanup(context.close)
        page = context.new_page()
        told = []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or told.append(request.url))
        self.addCleanup(lambda: self.assertEqual(told, []))
        page.goto(url or self.page_url)
        return page

    def shot(self, page, name):
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)

    def test_legend_entries_hide_series_by_click_and_by_key(self):
        page = self.open()
        plot = page.locator("svg.plot").first
        entry = plot.get_by_role("button").nth(1)
        series = plot.locator(".series").nth(1)
        self.assertTrue(series.is_visible())
        entry.click()
        self.assertFalse(series.is_visible())
        self.assertEqual(entry.get_attribute("aria-pressed"), "false")
        entry.focus()
        page.keyboard.press("Enter")
        self.assertTrue(series.is_visible())
        page.keyboard.press("Space")
        self.assertFalse(series.is_visible())

    def test_values_show_on_hover_and_by_arrow_keys(self):
        page = self.open()
        bubble = page.locator("#value")
        plot = page.locator("svg.plot").first
        plot.scroll_into_view_if_needed()
        mark = plot.locator(".series").nth(1).locator(".mark").first.bounding_box()
        page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
        self.assertIn("t/perplexity", bubble.text_content())
        self.assertIn("± 0.6210 (n=3)", bubble.text_content())
        page.mouse.move(1, 1)
        plot.focus()
        page.keyboard.press("ArrowRight")
        first = bubble.text_content()
        page.keyboard.press("ArrowLeft")
        second = bubble.text_content()
        page.keyboard.press("ArrowDown")
        self.assertEqual(len({first, second, bubble.text_content(), ""}), 4)
        page.keyboard.press("Escape")
        self.assertEqual(bubble.text_content(), "")

    def test_a_curve_tells_the_values_it_was_drawn_from(self):
        page = self.open()
        page.locator("details summary").first.click()
        plot = page.locator("details svg.plot").first
        plot.focus()
        page.keyboard.press("ArrowRight")
        # Step: mean of the first 3 of 200, 64 samples. Loss: see synthetic_runs.cpp.
        self.assertRegex(page.locator("#value").text_content(), r"^block_0: step 1, loss 0\.080\d?$")

    def test_without_script_all_is_there_to_see(self):
        page = self.open(java_script_enabled=False)
        self.assertTrue(page.locator("svg.plot .series .line").first.is_visible())
        self.assertGreater(page.locator("table").count(), 2)

    def test_light_dark_and_phone(self):
        colors = set()
        for name, context in (("light", {}), ("dark", {"color_scheme": "dark"}),
                              ("phone", {"viewport": {"width": 375, "height": 740}, "has_touch": True})):
            page = self.open(**context)
            body = page.evaluate("getComputedStyle(document.body).backgroundColor")
            text = page.evaluate("getComputedStyle(document.querySelector('svg.plot text')).fill")
            colors.add((body, text))
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            self.assertLessEqual(overflow, 0, name)
            self.shot(page, name)
        self.assertEqual(len(colors), 2)  # the phone's are those of light

    def test_paper_is_white_in_the_dark_too(self):
        page = self.open(color_scheme="dark")
        color = "(name) => getComputedStyle(document.querySelector(name)).%s"
        self.assertNotEqual(page.evaluate(color % "backgroundColor", ".scroll"), "rgb(255, 255, 255)")
        page.emulate_media(media="print")
        for name in ("body", ".scroll", "details"):
            self.assertEqual(page.evaluate(color % "backgroundColor", name), "rgb(255, 255, 255)", name)
        self.assertEqual(page.evaluate(color % "fill", "svg.plot .paper"), "rgb(255, 255, 255)")

    def test_every_control_has_a_name_and_is_reached_by_tab(self):
        page = self.open()
        unnamed = page.evaluate("""[...document.querySelectorAll('a, summary, [role], svg.plot')].filter(
            (e) => !e.textContent.trim() && !e.getAttribute('aria-label') && e.id !== 'value').length""")
        self.assertEqual(unnamed, 0)
        page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Skip to the results")

    def test_200_runs_open_within_2_seconds(self):
        with tempfile.TemporaryDirectory() as folder:
            report = make_report(folder, 20, 5, 30)  # 221 runs
            start = time.monotonic()
            page = self.open((report / "report.html").as_uri())
            page.locator("svg.plot .entry[role]").first.wait_for()
            seconds = time.monotonic() - start
            size = (report / "report.html").stat().st_size
            print(f"221 runs: {size / 1e6:.2f} MB, open in {seconds:.2f} s ", end="", flush=True)
            self.assertLess(seconds, 2)
            self.shot(page, "many")


if __name__ == "__main__":
    unittest.main(verbosity=2)
