# One environment to look (.venv-demo: the edge install and the report) and one to work (.venv: all that tests need).
# Each is made once and again when pyproject.toml changes. Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
MINUTES ?= 30
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

DEMO := .venv-demo/bin
WORK := .venv/bin
BUILD := build

.PHONY: demo test lint bench soak mutants demo-bundle gpu-check clean
.DELETE_ON_ERROR:

demo: .venv-demo/.made
	$(DEMO)/inspector demo

# Two workers with one thread each: some 14 minutes on two cores. What fails is run once more, and told (R).
test: lint
	OMP_NUM_THREADS=1 $(WORK)/python -m pytest -n 2 --dist loadfile --reruns 1 -rR

lint: .venv/.made
	$(WORK)/ruff format --check .
	$(WORK)/ruff check .
	$(WORK)/mypy
	$(WORK)/lint-imports

bench: .venv/.made
	mkdir -p $(BUILD)
	$(WORK)/python -m benchmarks.preprocess --json $(BUILD)/preprocess.json
	$(WORK)/python -m benchmarks.station --json $(BUILD)/station.json
	$(WORK)/python -m benchmarks.faults --json $(BUILD)/faults.json

# An hour, or make soak MINUTES=10: a synthetic station, its health port read all the time; fails where memory, open files or
# threads grow by more than their noise.
soak: MINUTES = 60
soak: .venv/.made
	mkdir -p $(BUILD)
	$(WORK)/python -m benchmarks.soak --minutes $(MINUTES) --json $(BUILD)/soak.json

# An hour or more on one core; what survives is listed, docs/mutants.md says what was made of it.
mutants: .venv/.made
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 nice -n 15 $(WORK)/python -m mutmut run --max-children 1
	$(WORK)/python -m mutmut results

# Renders a line of its own seed, trains from scratch on it, and puts the bundle where `inspector demo` looks for it.
# Of 800 rendered parts for validation, 20 look like one for training: each is drawn on its own, good ones are alike.
demo-bundle: .venv/.made
	rm -rf $(BUILD)/demo-parts $(BUILD)/demo-bundle
	mkdir -p $(BUILD)
	$(WORK)/python -m station.demo.dataset $(BUILD)/demo-parts --parts 4000 --halved
	$(WORK)/inspector train $(BUILD)/demo-parts --task classify --recipe configs/training/compact.toml \
		--seed 0 --minutes $(MINUTES) --allow-leaks --out $(BUILD)/demo-bundle
	rm -rf station/demo/bundle
	mkdir station/demo/bundle
	cp $(BUILD)/demo-bundle/LATEST station/demo/bundle/
	cp -r $(BUILD)/demo-bundle/$$(cat $(BUILD)/demo-bundle/LATEST) station/demo/bundle/
	$(WORK)/inspector bundle verify station/demo/bundle

# On a machine with an NVIDIA GPU: builds the engine, compares it with ONNX Runtime on the golden samples and on PARTS,
# benches every runtime, and prints one JSON: {"check": parity, "bench": speed}. Fails unless TensorRT-RTX is proved. make gpu-check BUNDLE=bundles PARTS=parts
BUNDLE ?= $(BUILD)/demo-bundle
gpu-check: .venv-gpu/.made
	mkdir -p $(BUILD)
	.venv-gpu/bin/inspector bundle verify $(BUNDLE) $(PARTS) --runtimes all --require tensorrt-rtx --json $(BUILD)/gpu-check.json
	.venv-gpu/bin/inspector bench $(BUNDLE) --batches 1,8 --html $(BUILD)/gpu-bench.html --json $(BUILD)/gpu-bench.json
	.venv-gpu/bin/python -c 'import json, sys; print(json.dumps({p.split("-")[-1][:-5]: json.load(open(p)) for p in sys.argv[1:]}, indent=2))' \
		$(BUILD)/gpu-check.json $(BUILD)/gpu-bench.json

clean:
	rm -rf .venv .venv-demo .venv-gpu $(BUILD) dist mutants .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv-demo/.made: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/python -m pip install --quiet --editable '.[report]'
	touch $@

.venv-gpu/.made: pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --editable '.[openvino,report,tensorrt-rtx]'
	touch $@

# PyGObject is built here, so it comes only where its headers are (docs/cameras.md); without it its tests skip.
GIGE := $(shell pkg-config --exists gobject-introspection-1.0 cairo 2>/dev/null && echo ,gige)
.venv/.made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(WORK)/python -m pip install --quiet --editable '.[training,anomalib,dev$(GIGE)]'
	touch $@
