# One image for every service, and for the containers in which the commands are run.
#
# The build context `cache` is the cache of this machine as `make setup` has filled it:
#   docker build --build-context cache="$HOME/.cache/pytest-sluice" -t pytest-sluice:0.1.0 .
# What is absent there is fetched, and all is verified again.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS system
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
      ca-certificates apache2-utils kcat python3 python3-venv >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && ln -s kcat /usr/bin/kafkacat \
 && useradd --uid 1000 --create-home sluice \
 && install -d -o sluice -g sluice /var/lib/sluice
ENV PATH=/opt/sluice/bin:/opt/sluice/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SLUICE_CACHE=/opt/sluice/cache \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Packages and distributions in one layer: the JRE and Spark's jars are hard links from one to the
# other. Of the project only what verifies, so that a change elsewhere leaves this layer alone.
FROM system AS distributions
COPY requirements.txt requirements-image.txt /build/
COPY tools/image.py tools/wheels.py /build/tools/
COPY src/pytest_sluice/distributions /build/src/pytest_sluice/distributions
COPY src/pytest_sluice/errors.py /build/src/pytest_sluice/
RUN --mount=type=bind,from=cache,target=/host \
    unset PYTHONDONTWRITEBYTECODE \
 && python3 -m venv /opt/sluice/venv \
 && SLUICE_CACHE=/host python /build/tools/wheels.py install \
 && python -m pip uninstall --quiet --yes setuptools wheel \
 && PYTHONPATH=/build/src python -B /build/tools/image.py bring /host

# First states and class data archives, kept from build to build where the distributions are the
# same: making them takes more than a minute. They hold for these paths of the jars only.
FROM distributions AS prepared
COPY src /build/src
RUN --mount=type=cache,id=pytest-sluice-prepared,target=/kept \
    PYTHONPATH=/build/src python /build/tools/image.py prepare /kept /out

FROM distributions AS project
COPY pyproject.toml README.md /build/
COPY src /build/src
RUN --mount=type=bind,from=cache,target=/host \
    python3 -m venv /wheel \
 && SLUICE_CACHE=/host /wheel/bin/python /build/tools/wheels.py install \
      hatchling packaging pathspec pluggy trove-classifiers \
 && /wheel/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /out /build

FROM distributions
COPY --from=prepared /out /opt/sluice/cache
RUN --mount=type=bind,from=project,source=/out,target=/out \
    unset PYTHONDONTWRITEBYTECODE \
 && python -m pip install --quiet --no-cache-dir --no-index --no-deps /out/*.whl \
 && rm -rf /build \
 && mkdir /opt/sluice/bin \
 && printf '#!/bin/sh\nexec python -m pytest_sluice tool "${0##*/}" "$@"\n' >/opt/sluice/bin/.tool \
 && chmod +x /opt/sluice/bin/.tool \
 && python -c 'from pytest_sluice.inside.commands import COMMANDS; print(*COMMANDS, sep="\n")' \
  | xargs -I NAME ln -s .tool /opt/sluice/bin/NAME
# Reads every file of the cache once and notes it: the user below cannot, and would read 1.8 GB at
# each start of a container. What is noted holds where the layers are used as they were built.
RUN python -c 'from pytest_sluice.distributions import missing; raise SystemExit(missing() or None)' \
 && python -m pytest_sluice describe >/dev/null
USER sluice
WORKDIR /home/sluice
# A service is `python -m pytest_sluice serve ROLE`; what has none waits for commands.
CMD ["sleep", "infinity"]
