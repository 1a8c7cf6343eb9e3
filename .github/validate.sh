#!/usr/bin/env bash
# What action.yml runs. The inputs come as variables, never inside the script, so that no input becomes a command.
set -euo pipefail
read -ra paths <<<"$(tr '\n' ' ' <<<"$INPUT_PATHS")"
read -ra shapes <<<"$(tr '\n' ' ' <<<"${INPUT_SHAPES:-}")"
options=(--fail-on "${INPUT_FAIL_ON:-violation}" --lang "${INPUT_LANGUAGE:-en}")
for each in "${shapes[@]}"; do options+=("--shapes=$each"); done
if [ -n "${INPUT_BASELINE:-}" ]; then options+=(--baseline "$INPUT_BASELINE"); fi
if [ -n "${INPUT_SARIF:-}" ]; then
  # Findings are no reason to stop here: the next line tells them and decides.
  code=0
  cnrs-graph validate "${options[@]}" --quiet --format sarif --output "$INPUT_SARIF" -- "${paths[@]}" || code=$?
  if [ "$code" -gt 1 ]; then exit "$code"; fi
fi
exec cnrs-graph validate "${options[@]}" --format github -- "${paths[@]}"
