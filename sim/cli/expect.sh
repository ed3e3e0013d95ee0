# For the tests of the command line, which source it; they set $pimllm and $folder, where what a command prints is kept.
# expect CODE TEXT ARGUMENTS...: the exit code; TEXT on stderr, in one line, where the code is 2, else on stdout.
expect() {
  local code=$1 text=$2 found=0
  shift 2
  "$pimllm" "$@" >"$folder/stdout" 2>"$folder/stderr" || found=$?
  if [[ $found != "$code" ]]; then
    echo "pimllm $*: expected exit $code, found $found"; cat "$folder/stdout" "$folder/stderr"; exit 1
  fi
  local stream=stdout
  if [[ $code == 2 ]]; then
    stream=stderr
    if [[ $(wc -l <"$folder/stderr") != 1 ]]; then echo "pimllm $*: expected one line on stderr"; cat "$folder/stderr"; exit 1; fi
  fi
  if ! grep -qF -- "$text" "$folder/$stream"; then
    echo "pimllm $*: expected \"$text\" on $stream"; cat "$folder/$stream"; exit 1
  fi
}
