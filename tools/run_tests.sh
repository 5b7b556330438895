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

for preset in "$@"; do
    started=$SECONDS
    mkdir -p build
    echo "== $preset: build"
    if ! build "$preset"; then
        failed=$((failed + 1))
        failures+=("$preset: does not build")
        continue
    fi
    echo "== $preset: built in $((SECONDS - started)) s"
    [ "$build_only" = no ] || continue
    case $preset in
    release)
        if ! cmake --build build/release --target benches -j "$jobs" -- --quiet; then # nobody else would notice
            failed=$((failed + 1))
            failures+=("release: the benchmarks do not build")
        fi
        run release unit -LE '^(system|bench)$' -j "$jobs" --no-tests=error
        if [ -z "${ROOMS-}" ]; then # a few rooms may have no system tests, all of them do
            run release system -L '^system$' -j "$jobs" --no-tests=error
        else
            run release system -L '^system$' -j "$jobs"
        fi
        ;;
    asan) run asan unit -LE '^(system|bench)$' -j "$jobs" --no-tests=error ;;
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
