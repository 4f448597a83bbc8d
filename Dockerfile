# The daemon that answers as mongocryptd, alone in its image: no shell, no libraries, no keys, nothing to write to.
#
#   make dist && docker build -t fieldcrypt/mongocryptd .
#
# It takes commands in plaintext and listens on the loopback interface only, so it belongs beside the application: a second container in the same
# Kubernetes pod, or --network container:APPLICATION. Give the driver mongocryptdURI=mongodb://localhost:27020 and mongocryptdBypassSpawn.
# That the binary runs with nothing around it is checked by .ci/run, which starts it in an empty root directory.
FROM scratch
ARG TARGETARCH=amd64
COPY dist/fieldcrypt-linux-${TARGETARCH} /mongocryptd
USER 65532:65532
EXPOSE 27020
ENTRYPOINT ["/mongocryptd"]
CMD ["--idleShutdownTimeoutSecs=0"]
