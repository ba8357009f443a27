# The application: the engine and the root packages, as the editable install has them. One image, one process each:
# `docker run perennial:local worker`, `api`, `relay`, `migrate`, `backup`, `codec-server`.

ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/build.txt requirements/base.txt requirements/
RUN /venv/bin/pip install --no-cache-dir -r requirements/build.txt -r requirements/base.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable . && /venv/bin/python -m compileall -q .

FROM python:${PYTHON}
# A fresh volume at /backups takes over whose that folder is: `backup` may write there without being root.
RUN useradd --uid 10001 --create-home perennial && install --directory --owner=perennial --group=perennial /backups
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Each process answers here whether it runs; the jobs end before anybody asks.
ENV PERENNIAL_METRICS_HOST=0.0.0.0 PERENNIAL_METRICS_PORT=9464
WORKDIR /app
USER 10001
EXPOSE 8080 9464
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['PERENNIAL_METRICS_PORT']}/healthz\", timeout=3)"]
ENTRYPOINT ["perennial"]
CMD ["--help"]
