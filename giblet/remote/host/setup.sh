# Make the environment of all runs, and note how to enter it. Set above: python, before,
# environment, rewrite (whether the note is made anew).
main() {
    local own=$folder/environment/.venv note=$folder/environment.sh
    if [ -n "$rewrite" ] || [ ! -f "$note" ]; then
        {
            echo '# What a run on this machine needs before it starts, in bash. `giblet remote setup`'
            echo '# wrote it; it is yours to edit, and kept unless setup is told something else.'
            printf '%s\n' "$before"
            printf 'giblet_environment=%q\n' "${environment:-$own}"
            echo 'export PATH="$giblet_environment/bin:$PATH"'
        } > "$note.new" && mv -- "$note.new" "$note" || refuse folder "$folder"
    fi
    load_environment
    find_python
    cd "$folder/environment" || refuse folder "$folder"
    # rsync has made the folder readable to all.
    chmod go= . || refuse folder "$folder"
    if [ "$giblet_environment" = "$own" ]; then
        say installing
        make setup PYTHON="$found" 2>&1 | quote_lines
        [ "${PIPESTATUS[0]}" = 0 ] || refuse make
    fi
    say check
    PYTHONPATH=$PWD python -m giblet.remote.environment --devices 2>&1 | quote_lines
    [ "${PIPESTATUS[0]}" = 0 ] || refuse environment
    say done
}
