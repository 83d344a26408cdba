# What the host has. Set above: python, before, environment, rewrite.
main() {
    mkdir -p -- "$folder" || refuse folder "$folder"
    load_environment
    eval "$before"
    cd || exit 3
    say machine "$(uname -n)"
    local tool own=$folder/environment/.venv
    for tool in rsync make tmux sbatch; do
        say "$tool" "$(command -v "$tool")"
    done
    find_python
    say python "$found"
    say python_version "$oldest"
    if [ -n "$environment" ]; then
        say environment "$("$environment/bin/python" -c 'import sys; print(sys.version.split()[0])' 2> /dev/null)"
    elif [ -z "$rewrite" ] && [ "${giblet_environment:-$own}" != "$own" ]; then
        say environment_kept "$giblet_environment"
    fi
    say free_kb "$(df -Pk "$folder" | awk 'NR == 2 {print $4}')"
    say ready "$([ -f "$folder/environment/.venv/.ready" ] && echo yes)"
    say cores "$(nproc 2> /dev/null)"
    say gpus
    if command -v nvidia-smi > /dev/null; then
        nvidia-smi --query-gpu=name,memory.total --format=csv,noheader 2> /dev/null | quote_lines
    fi
    say done
}
