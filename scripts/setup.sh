#!/usr/bin/env bash
# Make this machine ready for elbflow: system programs, then .venv with pinned packages and our own, editable.
# Does nothing, quickly, when nothing changed since the last time. PYTHON names the interpreter (default python3).
# "setup.sh tests" also provides the browser in which the engine's console is tested, PostgreSQL for the store's tests,
# and promtool for the alert rules.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps haproxy; not in the PATH of ordinary users

python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.elbflow-setup
distributions=("./shared[store]")
for project in services/*/pyproject.toml; do
    distributions+=("./$(dirname "$project")")
done

say() { printf '==> %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

missing_packages() {
    command -v haproxy >/dev/null || echo haproxy
    command -v redis-server >/dev/null || echo redis-server
    command -v make >/dev/null || echo make
    # Debian keeps this part of its own interpreters in a package; that of python3 brings python3 along.
    if [[ $(basename "$python") == python3* ]]; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "$(basename "$python")-venv"
    fi
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-cache show --no-all-versions "$@" >/dev/null 2>&1 || apt-get update -q
    apt-get install -y -q --no-install-recommends "$@" ||
        { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }
}

install_system_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    ((${#packages[@]})) || return 0
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        say "installing ${packages[*]} with apt-get"
        apt_install "${packages[@]}"
    elif command -v apt-get >/dev/null; then
        fail "these packages are missing; install them and run it again: sudo apt-get install -y ${packages[*]}"
    else
        fail "these programs are missing; install them with your package manager and run it again: ${packages[*]}"
    fi
}

has_browser() {
    command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome; } >/dev/null
}

# Ubuntu has Chromium as a snap only, which does not run in containers: there the tests that need it are skipped.
install_browser() {
    has_browser && return
    if ((EUID == 0)) && [[ $(. /etc/os-release 2>/dev/null && echo "$ID") == debian ]]; then
        say "installing chromium and chromium-driver with apt-get"
        apt_install chromium chromium-driver fonts-dejavu-core
    else
        say "no Chromium with chromedriver here: tests of the console in a browser will be skipped"
        say "to run them, install both (Debian: apt-get install chromium chromium-driver)"
    fi
}

has_postgresql() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# The programs alone: the tests start servers of their own, in temporary directories and without ports.
install_postgresql() {
    has_postgresql && return
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        say "installing postgresql with apt-get, without a cluster"
        if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        fi
        apt_install postgresql
    else
        say "no PostgreSQL here: tests of the store on PostgreSQL will be skipped"
        say "to run them, install it (Debian: apt-get install postgresql)"
    fi
}

# The program alone: the package would start a Prometheus.
install_promtool() {
    command -v promtool >/dev/null || [[ -x $venv/bin/promtool ]] && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && [[ -d $venv/bin ]] || return 0
    local scratch
    scratch=$(mktemp -d)
    say "fetching promtool with apt-get"
    if (cd "$scratch" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } &&
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) >/dev/null 2>&1; then
        mv "$scratch/usr/bin/promtool" "$venv/bin/promtool"
    else
        say "no promtool here: tests that run the alert rules will be skipped"
    fi
    rm -rf "$scratch"
}

check_python() {
    local version
    version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) ||
        fail "'$python' does not run. Install Python 3.11 or newer, or name one: make setup PYTHON=/path/to/python3"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "'$python' is Python $version; elbflow needs 3.11 or newer. Name one: make setup PYTHON=python3.11"
}

# The scripts of a virtual environment hold its path, so one that was copied here serves the original.
venv_is_ours() {
    [[ -x $venv/bin/pip && $(head -n 1 "$venv/bin/pip") == "#!$PWD/$venv/bin/python"* ]] &&
        [[ $("$venv/bin/python" -VV) == "$("$python" -VV)" ]]
}

fingerprint() {
    { echo "$PWD" && "$python" -VV && cat constraints.txt pyproject.toml scripts/setup.sh \
        shared/pyproject.toml services/*/pyproject.toml; } | sha256sum | cut -d' ' -f1
}

install_python_packages() {
    local wanted quiet=()
    wanted=$(fingerprint)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return
    fi
    [[ -t 1 ]] || quiet=(--quiet)
    if ! venv_is_ours; then
        say "creating $venv with $("$python" -V)"
        "$python" -m venv --clear "$venv"
    fi
    rm -f "$stamp"
    local pip=("$venv/bin/pip" install --disable-pip-version-check --no-input --no-deps "${quiet[@]}")
    say "installing $(grep -c '==' constraints.txt) pinned packages (about a minute the first time)"
    "${pip[@]}" --requirement constraints.txt
    say "installing our own ${#distributions[@]} distributions, editable"
    "${pip[@]}" --no-build-isolation "${distributions[@]/#/--editable=}"
    "$venv/bin/pip" check
    echo "$wanted" >"$stamp"
    say "ready"
}

install_system_packages
if [[ ${1:-} == tests ]]; then
    install_browser
    install_postgresql
fi
check_python
install_python_packages
if [[ ${1:-} == tests ]]; then
    install_promtool
fi
