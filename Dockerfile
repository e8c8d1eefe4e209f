# syntax=docker/dockerfile:1
# The same image as `make image`: a static program and the CAs it trusts, nothing else.
FROM rust:1.95-bookworm AS build
WORKDIR /sealgate
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates \
 && OUT=/image scripts/image.sh \
 && mkdir /root-of-image && tar -C /root-of-image -xzf "$(find /image/blobs -size +1M)"

FROM scratch
COPY --from=build /root-of-image/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/sealgate"]
