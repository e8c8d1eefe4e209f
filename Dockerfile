# syntax=docker/dockerfile:1
# What `make image` packs, a static program and the CAs it trusts, for people who build with a container engine. The content is the
# same; the digest is not, because each engine writes its own layers and times. Take `make image` to compare digests.
FROM rust:1.95-bookworm AS build
WORKDIR /sealgate
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates \
 && OUT=/image scripts/image.sh \
 && mkdir /root-of-image && tar -C /root-of-image -xzf "$(find /image/blobs -size +1M)"

FROM scratch
COPY --from=build /root-of-image/ /
LABEL org.opencontainers.image.title="sealgate" \
      org.opencontainers.image.description="Lets only signed images run" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/sealgate"]
