"""The merging, exclusions and floors of .ci/coverage on written-out points."""

import pathlib
import tempfile
import unittest

import html_report
import points


def entry(file, line, page, name, count, column=3, hierarchy=".top"):
    keys = {"f": file, "l": str(line), "n": str(column), "page": page, "o": name, "h": hierarchy}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in keys.items()) + f"' {count}\n"


class Coverage(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        (self.root / "rtl").mkdir()
        (self.root / "dat").mkdir()
        self.file = self.root / "rtl/a.sv"
        self.file.write_text("always_comb begin\n  if (x) y = 1;\n  default: ;\nlogic [1:0] z;\nend\n")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, *lines):
        (self.root / "dat" / name).write_text("# SystemC::Coverage-3\n" + "".join(lines))

    def read(self):
        counts = points.read_counts(self.root / "dat", self.root)
        return counts, points.source_lines(self.root, counts)

    def totals(self, counts, excluded=None):
        return {kind: t for (_, kind), t in points.tally(counts, excluded or {}, lambda _: "").items()}

    def exclusions(self, text):
        path = self.root / "exclusions.toml"
        path.write_text(text)
        return points.read_exclusions(path)

    def test_instances_parameters_and_runs_are_one_point(self):
        self.write("1.dat", entry(self.file, 2, "v_branch/a", "if", 0), entry(self.file, 2, "v_branch/a__W4", "if", 3))
        self.write("2.dat", entry(self.file, 2, "v_branch/a", "if", 2), entry(self.file, 2, "v_branch/a", "else", 0, 4))
        counts, _ = self.read()
        self.assertEqual(sorted((p.name, n) for p, n in counts.items()), [("else", 0), ("if", 5)])
        self.assertEqual(self.totals(counts)["line"].percent(), 50.0)

    def test_points_of_benches_are_left_out_and_functional_ones_added(self):
        (self.root / "tb").mkdir()
        self.write("1.dat", entry(self.root / "tb/b.sv", 1, "v_line/b", "block", 0),
                   entry(self.root / "rtl/../tb/b.sv", 2, "v_line/b", "block", 0), entry(self.file, 1, "v_line/a", "block", 1))
        (self.root / "dat/1.functional").write_text("0 QK, one token\n2 PV, one token\n")
        (self.root / "dat/2.functional").write_text("1 QK, one token\n0 PV, one token\n")
        counts, _ = self.read()
        self.assertEqual(self.totals(counts)["line"].points, 1)
        self.assertEqual((self.totals(counts)["functional"].points, self.totals(counts)["functional"].hit), (2, 2))

    def test_floors(self):
        self.write("1.dat", *(entry(self.file, 4, "v_toggle/a", f"z[{i}]", int(i > 5)) for i in range(100)),
                   *(entry(self.file, 2, "v_line/a", str(i), int(i > 1)) for i in range(100)),
                   entry(self.file, 5, "v_user/a", "cover", 0))
        counts, _ = self.read()
        bad = points.failures(self.totals(counts))
        self.assertEqual([b.split(":")[0] for b in bad], ["toggle", "user", "functional"])
        self.assertIn("94 of 100", bad[0])
        self.assertIn("no points", bad[2])

    def test_exclusions(self):
        self.write("1.dat", entry(self.file, 3, "v_line/a", "case", 0), entry(self.file, 4, "v_toggle/a", "z[0]", 1),
                   entry(self.file, 4, "v_toggle/a", "z[1]", 0))
        counts, sources = self.read()
        one = '[[exclude]]\nfile = "rtl/a.sv"\nkind = "{}"\n{}\nreason = "tied"\n'
        good = self.exclusions(one.format("toggle", "points = 'z.1.'") + one.format("line", "text = 'default'"))
        excluded = points.apply_exclusions(counts, good, sources)
        self.assertEqual(sorted(p.name for p in excluded), ["case", "z[1]"])
        self.assertEqual(self.totals(counts, excluded)["toggle"].percent(), 100.0)
        self.assertTrue(any("excluded" in f for f in points.failures(self.totals(counts, excluded))))
        for entry_of, message in (("points = 'w'", "no point"), ("points = 'z.*'", "covered point")):
            with self.assertRaisesRegex(points.Error, message):
                points.apply_exclusions(counts, self.exclusions(one.format("toggle", entry_of)), sources)
        with self.assertRaisesRegex(points.Error, "whole file"):
            self.exclusions(one.format("toggle", ""))

    def test_empty_folder_and_unknown_page_are_refused(self):
        with self.assertRaisesRegex(points.Error, "no coverage points"):
            self.read()
        self.write("1.dat", entry(self.file, 3, "v_other/a", "x", 0))
        with self.assertRaisesRegex(points.Error, "v_other"):
            self.read()

    def test_pages_mark_what_is_missing(self):
        self.write("1.dat", entry(self.file, 2, "v_branch/a", "if", 7), entry(self.file, 4, "v_toggle/a", "z[1]", 0),
                   entry(self.file, 4, "v_toggle/a", "z[0]", 0))
        counts, sources = self.read()
        groups = points.tally(counts, {}, lambda p: p.file)
        html_report.write(self.root / "html", counts, {}, groups, groups, sources, "note")
        text = (self.root / "html/rtl.a.sv.html").read_text()
        self.assertIn("never toggled: z[1:0]", text)
        self.assertIn("if:7", text)
        self.assertIn("rtl.a.sv.html", (self.root / "html/index.html").read_text())


if __name__ == "__main__":
    unittest.main()
