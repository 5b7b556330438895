# Front door. Everything is built by CMake into build/; see CMakePresets.json and tools/run_tests.sh.
# ROOMS="base wire" limits a build and its tests to some folders of src/.

PROGRAMS_BUILD = build/release

help:
	@echo "make test      install what is missing, build, run every test (eleven minutes)"
	@echo "make demo      install what is missing, build, show a network at work (KEEP=1: and leave it running)"
	@echo "make deps      install what is missing (tools/packages.txt)"
	@echo "make build     build the programs into $(PROGRAMS_BUILD)"
	@echo "make asan      build with sanitizers, run the unit tests"
	@echo "make fuzz      build the fuzz targets, run each for some seconds"
	@echo "make bench     measure (a few minutes; FULL=1: longer, with 10,000 clients)"
	@echo "make sim       run every simulator scenario (SEEDS=\"1 2 3\"; ONLY=name for one line of test/sim/full.txt)"
	@echo "make natlab    real daemons behind every kind of NAT, and in a hotel (as root; seven minutes; docs/nat.md)"
	@echo "make install   build, and install programs and man pages (PREFIX=/usr/local, DESTDIR=)"
	@echo "make format    bring the C files into the house style"
	@echo "make clean     remove build/"

deps:
	@tools/install-packages.sh

build:
	@tools/install-packages.sh --check
	@tools/run_tests.sh --build-only release

test: deps
	@tools/run_tests.sh release asan fuzz

asan: deps
	@tools/run_tests.sh asan

fuzz: deps
	@tools/run_tests.sh fuzz

demo: deps
	@tools/run_tests.sh --build-only release
	@python3 tools/demo.py $(PROGRAMS_BUILD) $(if $(KEEP),--keep)

bench: deps
	@PACKAGES=bench/packages.txt tools/install-packages.sh
	@tools/run_tests.sh --build-only release
	@cmake --build $(PROGRAMS_BUILD) --target benches -- --quiet
	@python3 bench/run.py $(PROGRAMS_BUILD) $(if $(FULL),--full)

sim: deps
	@tools/run_tests.sh --build-only release
	@python3 test/sim/run.py $(PROGRAMS_BUILD)/bin/ringfolk-sim test/sim/full.txt --out $(PROGRAMS_BUILD)/sim --seeds $(or $(SEEDS),1) \
		$(if $(ONLY),--only $(ONLY))

natlab: deps
	@tools/run_tests.sh --build-only release
	@cd test/system && RF_BUILD=$(CURDIR)/$(PROGRAMS_BUILD) python3 nat_matrix.py
	@cd test/system && RF_BUILD=$(CURDIR)/$(PROGRAMS_BUILD) python3 nat_matrix.py --no-ice
	@cd test/system && RF_BUILD=$(CURDIR)/$(PROGRAMS_BUILD) python3 nat_matrix.py --delay 20 open cone port symmetric tcponly
	@cd test/system && RF_BUILD=$(CURDIR)/$(PROGRAMS_BUILD) python3 nat_hotel.py
	@cd test/system && RF_BUILD=$(CURDIR)/$(PROGRAMS_BUILD) python3 nat_hotel.py --ice

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(PROGRAMS_BUILD) --prefix $(or $(PREFIX),/usr/local)

format:
	@tools/tidy.py --list | xargs clang-format -i

clean:
	rm -rf build

.PHONY: help deps build test asan fuzz demo bench sim natlab install format clean
