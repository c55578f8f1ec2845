# make listen       hear the shipped model at work (sets up the device environment alone)
# make test         run all tests (sets up everything)
# make test-device  run the tests of the device with its own packages alone; PYTHON=python3.13 chooses the Python
# make test-programs install the system's programs that tests use (Debian, Ubuntu)
# make setup        the full environment in .venv
# make lint         format, style and types
# make docs         the documentation as a website in site/
# make wheel        the distributions in dist/, and the versions that belong to the device's

PYTHON ?= python3
# The tests of the microphone need PortAudio and a virtual microphone, that of the service's unit systemd-analyze,
# those of the Pi an emulator, those of the report a browser, those of synthetic voices and of MQTT their programs.
TEST_PROGRAMS := libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils systemd qemu-user gcc libc6-dev \
	chromium espeak-ng flite mosquitto mosquitto-clients openssl
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

SETTINGS := Makefile constraints.txt device/constraints.txt $(wildcard */pyproject.toml)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

DEVICE_ENVIRONMENT := .venv-device-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: listen test test-device test-programs setup lint docs wheel

# A person at a terminal hears it in real time; a log gets it as fast as it goes.
listen: .venv-listen/ready
	@.venv-listen/bin/kws-listen --file device/demo/demo.flac $$([ -t 2 ] && echo --real-time)

test: .venv/ready .venv-tflite-runtime/ready
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-device: $(DEVICE_ENVIRONMENT)/ready
	$(DEVICE_ENVIRONMENT)/bin/python -m pytest tests/device -n 2 --dist loadfile --quiet

test-programs:
	@dpkg --status $(TEST_PROGRAMS) >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && $(SUDO) env \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TEST_PROGRAMS); }

setup: .venv/ready

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --quiet --strict

wheel: .venv/ready
	.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist \
		. ./device ./training ./export ./benchmarks
	cp device/constraints.txt dist/constraints-device.txt

.venv-listen/ready: $(SETTINGS)
	@echo "setting up .venv-listen (once)" >&2
	@$(PYTHON) -m venv .venv-listen
	@.venv-listen/bin/python $(PIP_INSTALL) --editable ./device
	@touch $@

# Exists for Python 3.11 and older alone; elsewhere its tests skip, by name.
.venv-tflite-runtime/ready: device/pyproject.toml tests/requirements-tflite-runtime.txt
	@$(PYTHON) -m venv .venv-tflite-runtime
	@.venv-tflite-runtime/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement tests/requirements-tflite-runtime.txt && \
	.venv-tflite-runtime/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--editable ./device && touch $@ || echo "no tflite-runtime for this Python: its tests skip" >&2

$(DEVICE_ENVIRONMENT)/ready: $(SETTINGS) tests/requirements-device.txt
	@echo "setting up $(DEVICE_ENVIRONMENT) (once)" >&2
	@$(PYTHON) -m venv $(DEVICE_ENVIRONMENT)
	@$(DEVICE_ENVIRONMENT)/bin/python $(PIP_INSTALL) --requirement tests/requirements-device.txt \
		--editable './device[mqtt,onnx,signature,wyoming]'
	@touch $@

.venv/ready: $(SETTINGS) tests/requirements.txt docs/requirements.txt
	@echo "setting up .venv (once, some minutes)" >&2
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) --requirement tests/requirements.txt --requirement docs/requirements.txt \
		--editable './device[mqtt,signature,wyoming]' \
		--editable './training[tensorboard,tensorflow]' --editable ./export --editable ./benchmarks
	@touch $@
