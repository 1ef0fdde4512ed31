# The same with all wheels of the images' requirements, which pip takes instead of asking an index.
ARG BASE
FROM ${BASE}
COPY . /wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
