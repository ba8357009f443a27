# The application: the engine and the root packages, as the editable install has them. One image, one process each:
# `docker run perennial:local worker`, `api`, `relay`, `migrate`.

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/build.txt requirements/base.txt requirements/
RUN /venv/bin/pip install --no-cache-dir -r requirements/build.txt -r requirements/base.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home perennial
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001
EXPOSE 8080
ENTRYPOINT ["perennial"]
CMD ["--help"]
