# carseg for CPUs, without CUDA: docker build -t carseg . ; docker run --rm -v "$PWD/reports:/carseg/reports" carseg \
#   reproduce PROFILE=smoke. The base may be named by its digest: --build-arg BASE=python:3.12-slim-trixie@sha256:...
ARG BASE=python:3.12-slim-trixie
FROM ${BASE} AS tools
# Debian keeps one version of a package; which one, the base decides.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 carseg \
    && install --directory --owner carseg --group carseg /carseg
USER 1000
WORKDIR /carseg
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 PYTHONUNBUFFERED=1 CARSEG_TORCH=cpu

FROM tools AS study
ENV CARSEG_TOOLS=none
# With .git: a run's provenance names the commit, and make archive takes the code from it.
COPY --chown=carseg:carseg . .
RUN make setup && mkdir -p reports
# Healthy: the commands load, the profiles are read, and what is mounted at reports/ can be written by this user.
HEALTHCHECK --interval=60s --timeout=30s --start-period=30s --retries=2 \
    CMD ["/bin/sh", "-c", "test -w reports && .venv/bin/carseg show-config > /dev/null"]
ENTRYPOINT ["make"]
CMD ["help"]
