# The workflow with all it needs, from the lock. Not yet built by any test. Results go to the folder that is mounted at /work:
#
#   docker build -t ifcb-abundance .
#   docker run --rm -v "$PWD":/work ifcb-abundance --configfile my.yaml
FROM python:3.12-slim
COPY requirements.txt /workflow/
RUN pip install --no-cache-dir -r /workflow/requirements.txt
COPY Snakefile pyproject.toml /workflow/
COPY config /workflow/config
COPY workflow /workflow/workflow
COPY profiles /workflow/profiles
COPY envs /workflow/envs
WORKDIR /work
ENV HOME=/tmp
ENTRYPOINT ["snakemake", "--snakefile", "/workflow/Snakefile", "--workflow-profile", "/workflow/profiles/default", "--cores", "8"]
