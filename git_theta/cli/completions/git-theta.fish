# fish completion of `git theta` and `git-theta`.
# In ~/.config/fish/config.fish: git theta completion fish | source

function __git_theta_complete
    set -l words (commandline -opc)
    # git -C elsewhere theta is to be asked there.
    set -l at (contains --index -- theta $words)
    or set at 1
    set -l last (commandline -ct)
    # Of --strategy=ti, the whole is completed.
    set -l name (string match --regex -- '^--[^=]*=' $last)
    for line in (command $words[1..$at] complete -- $words[(math $at + 1)..] $last 2>/dev/null)
        set -l fields (string split \t -- $line)
        switch $fields[1]
            case revision
                if functions -q __fish_git_refs
                    string replace --regex -- '^' "$name" (__fish_git_refs)
                else
                    command git for-each-ref --format="$name%(refname:short)" refs/heads refs/tags refs/remotes 2>/dev/null
                end
            case file
                __fish_complete_path $last
            case folder
                __fish_complete_directories $last
            case '*'
                printf '%s%s\t%s\n' "$name" "$fields[2]" "$fields[3]"
        end
    end
end

complete -c git-theta -f -a '(__git_theta_complete)'
# fish 3.6's own completion of git asks git-git-theta; later ones ask git-theta, and hear the same twice.
complete -c git -f -n '__fish_git_using_command theta' -a '(__git_theta_complete)'
