# Two binaries and the CA certificates on nothing: no shell, no user database,
# no package to update.
FROM golang:1.26-bookworm AS build
# Handed through from the machine that builds; the tool chain's own defaults
# hold where they are not given.
ARG GOPROXY
ARG GOSUMDB
ARG GONOSUMDB
ARG GOPRIVATE
ARG REVISION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.revision=${REVISION}" \
    -o /out/ ./cmd/callseal ./cmd/callseal-bench

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/callseal /out/callseal-bench /
USER 65532:65532
# CALLSEAL_HEALTH_URL names another address where admin.listen does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/callseal", "healthcheck"]
ENTRYPOINT ["/callseal"]
CMD ["run", "--config", "/etc/callseal/callseal.yml"]
