#!/usr/bin/env python3
# check_pure.py - holds the rooms without I/O to what they may call: reads the symbols of their built libraries.
# check_pure.py BUILD-DIR    exit status 1 and one line per finding when an object calls what it must not, or keeps state
#
# An undefined symbol must be another such room's, or in the list of libc functions below, or a function of a library that is
# granted to the room. Writable data outside of objects is a finding as well. Read a release build: sanitizers add calls.
import glob
import os
import re
import subprocess
import sys

ROOMS = "base crypto wire stun ice ident conf link overlay usage mls chat files node turn enrol control sim".split()

# functions of libc and libm that neither see the system nor keep state that matters
PURE = set("""
    bcmp memchr memcmp memcpy memmove memmem memrchr memset explicit_bzero rawmemchr
    strcasecmp strcat strchr strchrnul strcmp strcpy strcspn strlen strncasecmp strncat strncmp strncpy strnlen strpbrk
    strrchr strspn strstr strtok_r stpcpy strsep strcasestr
    snprintf vsnprintf sscanf __isoc99_sscanf strtol strtoll strtoul strtoull strtod atoi
    __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc tolower toupper
    isalnum isalpha isdigit islower isprint isspace isupper isxdigit
    qsort bsearch abs labs __errno_location regcomp regexec regfree
    __memcpy_chk __memmove_chk __memset_chk __strcat_chk __strcpy_chk __strncpy_chk __snprintf_chk __vsnprintf_chk
    __explicit_bzero_chk
    acos ceil cos exp exp2 fabs floor fmax fmin fmod ldexp lgamma log log10 log1p log2 lround nearbyint pow round sin sincos
    sqrt trunc
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_ __tls_get_addr __popcountdi2
""".split())

# what one room may call besides, and why
EXTRA = {
    # the system's allocator behind rf_mem; RF_ASSERT says where and stops; address text
    "base": set("malloc realloc free abort fprintf fwrite stderr __fprintf_chk inet_pton inet_ntop".split()),
    # what the processor can: den.c does the same without it, slower
    "sim": set("__cpu_model __cpu_indicator_init".split()),
}

# libraries granted to rooms: name for the linker -> functions of it that see the system all the same
LIBRARIES = {
    "crypto": r"BIO_(s_)?(new_)?(file|fd|socket|connect|accept|dgram)|.*_fp$|RAND_(load|write)_file|OPENSSL_config|CONF_modules",
    "gnutls": r"gnutls_transport_set_(int|fastopen)|gnutls_system_recv|.*_set_x509_(key|trust|crl)_file|gnutls_load_file",
    "xml2": r"xml(Read|CtxtRead|Parse|SAXParse|CtxtUse|Save|SaveFormat)(File|Fd|Entity)|xmlNano|xmlFileOpen|xmlParseCatalogFile",
    "argon2": r"$^",
    "jansson": r"json_(load|dump)(_file|f|fd)$",
}
GRANTS = {"crypto": ["crypto"], "link": ["gnutls", "crypto"], "conf": ["xml2"], "enrol": ["argon2"], "control": ["jansson"]}

# one-time tables that a library forces on us: "room: symbol"
STATE_ALLOWED = set()

WRITABLE = re.compile(r"\.(bss|data|tbss|tdata)(\.|$)|\*COM\*")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def symbols(path):
    """(object, type, symbol) of every external symbol; type U or w is undefined."""
    rows = []
    for line in output_of("nm", "-A", "-P", "--extern-only", path).splitlines():
        match = re.match(r".*\[(\S+)\]: (\S+) (\S)", line)  # "library.a[object.o]: symbol type ..."
        if match:
            rows.append((match.group(1), match.group(3), match.group(2)))
    return rows


def library_functions(name):
    """What the shared library exports; None when it is not installed."""
    path = output_of("gcc", f"-print-file-name=lib{name}.so").strip()
    if not os.path.isabs(path):
        return None
    lines = output_of("nm", "-D", "-P", "--defined-only", path).splitlines()
    return {line.split(" ")[0].split("@")[0] for line in lines}


def check_calls(room, path, pure, shells, libraries):
    allowed = PURE | EXTRA.get(room, set()) | pure
    for where, kind, name in symbols(path):
        if kind not in "Uw" or name in allowed:
            continue
        if name in shells:
            yield f"{room}/{where}: calls {name} of {shells[name]}/"
            continue
        if name.startswith("rf_"):
            continue  # of a room that this build leaves out; the linker's business
        for library in GRANTS.get(room, []):
            if name in libraries[library]:
                if re.match(LIBRARIES[library], name):
                    yield f"{room}/{where}: calls {name} of lib{library}, which sees the system"
                break
        else:
            yield f"{room}/{where}: calls {name}"


def check_state(room, path):
    where = "?"
    for line in output_of("objdump", "-t", path).splitlines():
        member = re.match(r"(\S+\.o):", line)
        if member:
            where = member.group(1)
        entry = re.match(r"[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if not entry or not WRITABLE.match(entry.group(2)) or entry.group(2).startswith(".data.rel.ro"):
            continue
        if "d" not in entry.group(1) and int(entry.group(3), 16) > 0:  # no name of a section
            name = entry.group(4)
            if f"{room}: {name}" not in STATE_ALLOWED:
                yield f"{room}/{where}: keeps state outside of an object: {name}"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_pure.py BUILD-DIR")
    paths = glob.glob(os.path.join(sys.argv[1], "src", "**", "librf_*.a"), recursive=True)
    if not paths:
        sys.exit(f"check_pure: no libraries in {sys.argv[1]}: build first")
    by_room = {}  # a room may be built into several libraries
    for path in sorted(paths):
        by_room.setdefault(os.path.relpath(path, os.path.join(sys.argv[1], "src")).split(os.sep)[0], []).append(path)
    if any(name == "__asan_init" for path in paths for _, _, name in symbols(path)):
        sys.exit("check_pure: these libraries are built with sanitizers, which add calls: read a release build")
    for path in paths:
        if not symbols(path):  # link-time optimised, stripped, or empty: everything would pass
            sys.exit(f"check_pure: {path} shows no symbols")
    ours = {room: {name for path in by_room[room] for _, kind, name in symbols(path) if kind not in "Uw"} for room in by_room}
    shells = {name: room for room in ours if room not in ROOMS for name in ours[room]}
    pure = {name for room in ours if room in ROOMS for name in ours[room]}
    wanted = {library for room in by_room for library in GRANTS.get(room, [])}
    libraries = {library: library_functions(library) or set() for library in wanted}
    findings = []
    for room in ROOMS:
        for path in by_room.get(room, []):
            findings += check_calls(room, path, pure, shells, libraries)
            findings += check_state(room, path)
    for finding in findings:
        print(finding)
    print(f"{len([r for r in ROOMS if r in by_room])} rooms read, {len(findings)} findings")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
