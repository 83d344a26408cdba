# What there is to fetch. Set above: slug.
main() {
    local each
    [ -d "$run" ] || refuse no_run
    for each in "$run"/code/results/*/*/; do
        if [ -n "$(find "$each" -path '*/.*' -prune -o -type f -print -quit)" ]; then
            say stage "$(basename -- "$each")"
        fi
    done
    say done
}
