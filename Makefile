# The commands of a newcomer. Each is one line of Cargo, which works without make too.

.PHONY: run watch inspect leakcheck deploy test setup bench chaos

run:
	cargo run --release --package inkwire

watch:
	cargo xtask watch

inspect:
	cargo xtask inspect

leakcheck:
	cargo xtask leakcheck

deploy:
	cargo xtask gen-deploy

test: setup
	cargo xtask test

setup:
	cargo xtask setup

bench:
	cargo xtask bench

chaos:
	cargo xtask chaos
