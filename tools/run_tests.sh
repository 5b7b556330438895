#!/bin/bash
# run_tests.sh - builds presets of CMakePresets.json and runs their tests; the last line is "N passed, N failed".
#   run_tests.sh [--build-only] [release] [asan] [fuzz]     (no name: all three)
# ROOMS="base wire" in the environment limits builds to some folders of src/. A build that fails counts as one failed test.
set -u
cd "$(dirname "$0")/.." || exit 1

build_only=no
if [ "${1-}" = --build-only ]; then
    build_only=yes
    shift
fi
[ $# -gt 0 ] || set -- release asan fuzz

jobs=$(nproc)
passed=0
failed=0
skipped=0
failures=()

# build PRESET: configure and compile; quiet unless something is wrong
build() {
    local rooms=(-U RF_ROOMS)
    [ -z "${ROOMS-}" ] || rooms=("-DRF_ROOMS=${ROOMS// /;}")
    cmake --preset "$1" "${rooms[@]}" -Wno-dev >"build/$1.log" 2>&1 || {
        cat "build/$1.log"
        return 1
    }
    cmake --build "build/$1" -j "$jobs" -- --quiet
}

# build_ahead PRESET: in the background, with the CPU that the tests of the preset before it leave; build_rest waits for it, or builds now
ahead=""
ahead_pid=""
build_ahead() {
    ahead=$1
    build "$1" >"build/$1-ahead.log" 2>&1 &
    ahead_pid=$!
    renice -n 19 -p "$ahead_pid" >/dev/null 2>&1 # what it starts inherits that
}
build_rest() {
    [ "$ahead" = "$1" ] || { build "$1"; return; }
    ahead=""
    wait "$ahead_pid" || {
        cat "build/$1-ahead.log"
        return 1
    }
}

# units PRESET: the unit tests; those that mostly wait first, many at once, then the others
units() {
    run "$1" waits -L '^waits$' -j "$((jobs * 4))"
    run "$1" unit -LE '^(system|bench|waits)$' -j "$jobs" --no-tests=error
}

# run PRESET NAME CTEST-ARGUMENT...: one run of ctest, its results added to the sums
run() {
    local preset=$1 name=$2 status result
    local junit=$PWD/build/$preset/results-$name.xml
    shift 2
    rm -f "$junit"
    ctest --test-dir "build/$preset" --output-on-failure --output-junit "$junit" "$@"
    status=$?
    result=$(python3 tools/sum_results.py "$junit" "$status") || result="0 1 0 $name: no results"
    read -r p f s rest <<<"$result"
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    [ "$f" -eq 0 ] || failures+=("$preset: $rest")
}

while [ $# -gt 0 ]; do
    preset=$1
    shift
    started=$SECONDS
    mkdir -p build
    echo "== $preset: build"
    if ! build_rest "$preset"; then
        failed=$((failed + 1))
        failures+=("$preset: does not build")
        continue
    fi
    echo "== $preset: built in $((SECONDS - started)) s"
    [ "$build_only" = no ] || continue
    if [ "$preset" = release ] && ! cmake --build build/release --target benches -j "$jobs" -- --quiet; then
        failed=$((failed + 1)) # nobody else would notice
        failures+=("release: the benchmarks do not build")
    fi
    [ $# -eq 0 ] || build_ahead "$1"
    case $preset in
    release)
        units release
        if [ -z "${ROOMS-}" ]; then # a few rooms may have no system tests, all of them do
            run release system -L '^system$' -j "$((jobs * 2))" --no-tests=error # they wait for each other's processes most of the time
        else
            run release system -L '^system$' -j "$((jobs * 2))"
        fi
        ;;
    asan) units asan ;;
    fuzz) run fuzz smoke -L '^fuzz$' -j "$jobs" --no-tests=error ;;
    esac
    echo "== $preset: done after $((SECONDS - started)) s"
done

[ ${#failures[@]} -eq 0 ] || printf 'FAILED %s\n' "${failures[@]}"
if [ "$build_only" = yes ]; then
    [ "$failed" -eq 0 ]
    exit
fi
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
