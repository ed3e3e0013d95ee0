#!/usr/bin/env python3
"""The parts of `make mutation` that need no Yosys: what counts as killed, what is kept, how a header is read."""

import dataclasses
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mutation  # noqa: E402
import netlist  # noqa: E402

ENTRY = netlist.Entry("part", "part", ["unit"], {}, 5, [])
SELECTED = 'echo "mutant part $MUTANT_PART" >&2; '


def bench(script: str, name: str = "unit") -> mutation.Bench:
    return mutation.Bench(name, ["/bin/sh", "-c", script])


class Mutation(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name)
        for module, name, value in ((mutation, "OUT", self.out), (netlist, "OUT", self.out), (netlist, "ROOT", self.out),
                                    (netlist, "file_of", lambda module: f"{module}.sv")):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        (self.out / "part.sv").write_text("  `ASSERT(InRange, x_q < 8)\nendmodule\n")
        (self.out / "netlists").mkdir()
        (self.out / "netlists/part.v").write_text("module part_mutants; endmodule")

    def test_a_run_is_what_became_of_it(self) -> None:
        for script, expected in (("exit 0", "passed"), ('echo "test.cpp:1: Failure"; exit 1', "failed"),
                                 ("kill -ABRT $$", "crashed"), ("sleep 5", "timeout")):
            self.assertEqual(mutation.run(bench(SELECTED + script), ENTRY, 3, 0.5), expected)

    def test_what_was_not_selected_was_not_killed(self) -> None:
        self.assertEqual(mutation.run(bench("echo Failure; exit 1"), ENTRY, 3, 5), "unselected")
        self.assertEqual(mutation.run(bench('echo "mutant part 4"; exit 1'), ENTRY, 3, 5), "unselected")

    def test_verdicts_of_an_entry(self) -> None:
        unit = bench(SELECTED + '[ "$MUTANT_PART" != 1 ] || { echo Failure; exit 1; }')
        machine = bench(SELECTED + '[ "$MUTANT_PART" != 2 ]', "machine")
        lines = [f"mutate {i}" for i in range(5)]
        with mock.patch.object(netlist, "prove", return_value={3}):
            results = mutation.run_entry(ENTRY, lines, {"unit": unit}, machine, False, 2)
        self.assertEqual(results.verdicts(), {1: "failed: unit", 2: "crashed: machine", 3: "equivalent",
                                              4: "survived", 5: "survived"})
        counts = mutation.count(results)
        self.assertEqual((counts["bench"], counts["machine"], counts["survivors"]), (1, 1, 2))
        self.assertEqual(mutation.rate(counts), 50.0)

        # A better bench: survivors again, the others from the file.
        better = bench(SELECTED + '[ "$MUTANT_PART" = 0 ]')
        with mock.patch.object(netlist, "prove", side_effect=AssertionError):
            results = mutation.run_entry(ENTRY, lines, {"unit": better}, machine, False, 2)
        self.assertEqual(results.verdicts()[3], "equivalent")
        self.assertEqual(results.verdicts()[5], "crashed: unit")
        (self.out / "netlists/part.v").write_text("another")
        self.assertEqual(mutation.Results(ENTRY, False).verdicts(), {})

    def test_a_bench_has_to_pass_without_a_mutant(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "without a mutant: crashed, expected passed"):
            mutation.run_entry(ENTRY, ["mutate 0"], {"unit": bench("exit 1")}, bench("exit 0"), False, 1)

    def test_a_bench_has_to_contain_the_mutants(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "mutant 1 is not in what unit runs"):
            mutation.run_entry(ENTRY, ["mutate 0"], {"unit": bench("exit 0")}, bench("exit 0"), False, 1)

    def test_headers(self) -> None:
        header = netlist.parse_header("""module part
  import a_pkg::*;
#(
    parameter int unsigned Width = 8,  // bits
    parameter bit Odd = 1'b0,
    localparam int unsigned Half = Width / 2
) (
    input  logic clk_i,
    input  logic [Width-1:0] data_i[Half],
    output a_pkg::word_t sum_o  // of all
);
endmodule
""", "part")
        self.assertEqual(header.parameters, {"Width": "8", "Odd": "1'b0"})
        self.assertEqual(header.ports, ["clk_i", "data_i", "sum_o"])
        self.assertEqual(header.unpacked, {"data_i": ("Half", False)})

    def test_what_has_to_be_proven(self) -> None:
        self.assertEqual(ENTRY.proofs, ["-prove trigger 0 always"])
        rule = {"outputs": ["a_o", "b_o"], "port": "error_o", "value": 0, "reason": "refused"}
        assumption = {"assertion": "InRange", "wire": "x_q[7:4]", "value": 3}
        entry = dataclasses.replace(ENTRY, only_if=[rule], assume=[assumption])
        self.assertEqual(entry.proofs, ["-set gold.assumed_0 3 -prove trigger 0 always",
                                        "-set gold.assumed_0 3 -set gold.counts_0 0 -prove cmp_a_o 1 -prove cmp_b_o 1 all"])
        self.assertEqual(entry.conditions, {"assumed_0": "x_q[7:4]", "counts_0": "error_o"})

    def test_an_assumption_with_a_condition_is_two_cases(self) -> None:
        entry = dataclasses.replace(ENTRY, assume=[{"assertion": "InRange", "wire": "x_q", "value": 3, "when": "busy_q"}])
        self.assertEqual(entry.proofs, ["-set gold.when_0 0 -prove trigger 0 always",
                                        "-set gold.when_0 1 -set gold.assumed_0 3 -prove trigger 0 always"])

    def prove(self, entry: netlist.Entry, sat_runs: int, possible: str = netlist.POSSIBLE) -> set[int]:
        """With a solver that proves so many of what it is asked."""
        module = {"cells": {"u_a": {"type": "a", "port_directions": {"d_i": "input"}, "connections": {"d_i": [2, 3, 4]}},
                            "$1": {"type": "$and", "port_directions": {}, "connections": {}}},
                  "netnames": {"x_q": {"bits": [5] * 8}, "error_o": {"bits": [6] * 4}}}
        (self.out / "netlists/part.json").write_text(json.dumps({"modules": {"part_mutants": module}}))

        def solver(script: str, work: pathlib.Path, log: str) -> None:
            self.script = script
            work.with_suffix(".proved").write_text("mutant 3\n" + sat_runs * (netlist.PROVED + "!\n") + possible)
        with mock.patch.object(netlist, "run_yosys", solver):
            return netlist.prove(entry, [3], 60)

    def test_equivalent_is_what_is_proven_in_all_parts(self) -> None:
        rule = {"outputs": ["a_o"], "port": "error_o", "value": 0, "reason": "refused"}
        entry = dataclasses.replace(ENTRY, only_if=[rule], assume=[{"assertion": "InRange", "wire": "x_q[7:4]", "value": 3}])
        self.assertEqual(self.prove(entry, 1), set())
        self.assertEqual(self.prove(entry, 2), {3})
        for line in ("add -wire assumed_0 4", "connect -set assumed_0 x_q[7:4]", "add -wire counts_0 4",
                     "chtype -set of_u_a part_mutants/c:u_a", "delete -output gold/a_o gate/a_o"):
            self.assertIn(line + "\n", self.script)
        self.assertIn("input [2:0] d_i", (self.out / "netlists/part.cells.v").read_text())

    def test_an_assumption_is_an_assertion_of_the_module(self) -> None:
        entry = dataclasses.replace(ENTRY, assume=[{"assertion": "Other", "wire": "x_q", "value": 0}])
        with self.assertRaisesRegex(RuntimeError, "part: assertion Other: expected in part, found none"):
            netlist.grounds(entry)

    def test_an_assumption_has_to_be_possible(self) -> None:
        entry = dataclasses.replace(ENTRY, assume=[{"assertion": "InRange", "wire": "x_q", "value": 300}])
        with self.assertRaisesRegex(RuntimeError, "part: what is assumed: expected to be possible, found a contradiction"):
            self.prove(entry, 1, "SAT solving finished - no model found.")

    def test_a_proof_goes_with_its_grounds(self) -> None:
        results = mutation.Results(ENTRY, False)
        results.forget_what_changed("benches", "grounds")
        for mutant, verdict in enumerate(("failed: unit", "equivalent", "survived"), 1):
            results.set(mutant, verdict)
        results.forget_what_changed("other benches", "grounds")
        self.assertEqual(set(results.verdicts()), {1, 2})
        results.forget_what_changed("other benches", "other grounds")
        self.assertEqual(set(results.verdicts()), {1})

    def test_unknown_bench(self) -> None:
        with self.assertRaisesRegex(ValueError, "part: no bench other, expected one of unit"):
            mutation.load('[benches.unit]\n[modules.part]\nbenches = ["other"]\n')


if __name__ == "__main__":
    unittest.main()
