# The workflow and the pinned packages that it needs. A run reads and writes in the folder that is mounted at /work:
#
#   docker build -t ifcb-abundance .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD":/work ifcb-abundance --configfile my.yaml
#
# It was built with buildah and run with podman, not with Docker, on a stand-in for the base image. tests/engine/test_bare.py
# does what these lines say in a folder.
FROM python:3.12-slim
COPY requirements.txt /workflow/
RUN pip install --no-cache-dir -r /workflow/requirements.txt
COPY Snakefile /workflow/
COPY config /workflow/config
COPY workflow /workflow/workflow
COPY profiles /workflow/profiles
COPY envs /workflow/envs
WORKDIR /work
# Any user may run this, also one without a home folder.
ENV HOME=/tmp
ENTRYPOINT ["snakemake", "--snakefile", "/workflow/Snakefile", "--workflow-profile", "/workflow/profiles/default", "--cores", "8"]
