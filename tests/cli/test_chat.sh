#!/usr/bin/env bash
# swage run and tokenize with a chat template: ids of a conversation, the same through every format;
# prompts from files and pipes; where texts stop; conversations; and what is said when a template is
# missing or left out.
. tests/cli/lib.sh
model=$scratch/model
cp -r examples/tiny-tales "$model"
template='{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content|trim }}\n{% endfor %}{% if add_generation_prompt %}One{% endif %}'
settings=$(tr -d '\n' <"$model/tokenizer_config.json")
printf '%s' "${settings%\}*},\"chat_template\":\"$template\"}" >"$model/tokenizer_config.json"
request='[{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi "}]'
text_of() { "$SWAGE" tokenize "$1" --chat --json <<<"$request" >"$scratch/stdout" && value text; }

expect_exit 0 "ids of a conversation" "$SWAGE" tokenize "$model" --chat --json <<<"$request"
check "the text of the template" [ "$(value text)" = '<|endoftext|>system: Be kind.\nuser: Hi\nOne' ]
printf '<|endoftext|>system: Be kind.\nuser: Hi\nOne' >"$scratch/text"
"$SWAGE" tokenize "$model" --chat <<<"$request" >"$scratch/chat.ids"
"$SWAGE" tokenize "$model" --text "$scratch/text" >"$scratch/text.ids"
check "the ids are those of that text" cmp -s "$scratch/chat.ids" "$scratch/text.ids"

for out in m.swg m.gguf m-folder; do
  expect_exit 0 "convert to $out" "$SWAGE" convert "$model" -o "$scratch/$out" -q
  check "the template in $out" [ "$(text_of "$scratch/$out")" = '<|endoftext|>system: Be kind.\nuser: Hi\nOne' ]
done
printf '{{ messages|length }}' >"$scratch/m-folder/chat_template.jinja"
check "chat_template.jinja comes first" [ "$(text_of "$scratch/m-folder")" = 2 ]
expect_exit 0 "and through a GGUF" "$SWAGE" convert "$scratch/m-folder" -o "$scratch/second.gguf" -q
check "the one that counts is written" [ "$(text_of "$scratch/second.gguf")" = 2 ]

# One message.
expect_exit 0 "an answer" "$SWAGE" run "$model" --chat --prompt Hi --system "Be kind." -n 8 --temperature 0
answer=$stdout
check "nothing is said" [ -z "$stderr" ]
expect_exit 0 "the same text by hand" "$SWAGE" run "$model" --prompt "$(cat "$scratch/text")" -n 8 --temperature 0
check "gives the same" [ "$stdout" = "$answer" ]
expect_exit 0 "a prompt of a chat model" "$SWAGE" run "$model" --prompt Hi -n 1
expect_match "the template is mentioned" "$stderr" 'has a chat template'
expect_exit 0 "quietly" "$SWAGE" run "$model" --prompt Hi -n 1 -q
check "not with -q" [ -z "$stderr" ]
expect_exit 0 "json" "$SWAGE" run "$model" --chat --prompt Hi -n 3 --json
expect_keys "the result" text finish prompt_tokens generated_tokens

# Prompts from elsewhere.
printf 'One morning\n' >"$scratch/prompt"
expect_exit 0 "a prompt" "$SWAGE" run "$model" --prompt "One morning" -n 8 --temperature 0
wanted=$stdout
expect_exit 0 "a file" "$SWAGE" run "$model" --prompt-file "$scratch/prompt" -n 8 --temperature 0
check "continues the same" [ "$stdout" = "$wanted" ]
expect_exit 0 "standard input" "$SWAGE" run "$model" -p - -n 8 --temperature 0 <"$scratch/prompt"
check "continues the same, too" [ "$stdout" = "$wanted" ]
expect_exit 2 "both" "$SWAGE" run "$model" -p a --prompt-file "$scratch/prompt"
expect_exit 6 "no such file" "$SWAGE" run "$model" --prompt-file "$scratch/nothing"
expect_match "is named" "$stderr" 'nothing'
expect_exit 3 "a prompt of bytes" "$SWAGE" run "$model" --prompt-file /dev/zero
expect_match "is not a text" "$stderr" 'NUL'

# Stops: the text ends before them, wherever tokens begin.
word=${wanted#* * }
word=${word:3:4}
expect_exit 0 "a stop" "$SWAGE" run "$model" -p "One morning" -n 8 --temperature 0 --stop nothing --stop "$word" --json
check "finish" [ "$(value finish)" = stop ]
expect_exit 0 "as text" "$SWAGE" run "$model" -p "One morning" -n 8 --temperature 0 --stop "$word"
check "what comes before" [ "$stdout" = "${wanted%%"$word"*}" ]
expect_exit 0 "a stop that does not come" "$SWAGE" run "$model" -p "One morning" -n 8 --temperature 0 --stop "${wanted: -3}!!"
check "nothing is held back in the end" [ "$stdout" = "$wanted" ]
expect_exit 2 "an empty stop" "$SWAGE" run "$model" -p a --stop ""

# A conversation: a message per line, the answer to the second knows the first.
printf 'Hi\n\nAnd you?' >"$scratch/lines"
expect_exit 0 "a conversation" "$SWAGE" run "$model" --chat -n 4 --temperature 0 <"$scratch/lines"
check "an answer per message" [ "$(wc -l <"$scratch/stdout")" -eq 2 ]
expect_match "answers that are cut off are said to be" "$stderr" 'cut off after 4 tokens'
first=$(head -n 1 "$scratch/stdout") second=$(tail -n 1 "$scratch/stdout")
expect_exit 0 "the second turn by hand" "$SWAGE" run "$model" -q -n 4 --temperature 0 \
  --prompt $'<|endoftext|>user: Hi\nassistant: '"$(sed 's/^ *//' <<<"$first")"$'\nuser: And you?\nOne'
check "is the same" [ "$stdout" = "$second" ]
expect_exit 5 "a conversation beyond the context" "$SWAGE" run "$model" --chat --context 6 <"$scratch/lines"
expect_exit 2 "json needs one prompt" "$SWAGE" run "$model" --chat --json

# Refusals.
expect_exit 4 "no template" "$SWAGE" run examples/tiny-tales --chat --prompt Hi
expect_match "is said" "$stderr" 'has no chat template'
expect_exit 4 "no template to encode with" "$SWAGE" tokenize examples/tiny-tales --chat <<<"$request"
expect_exit 2 "--system alone" "$SWAGE" run "$model" --system x --prompt Hi
expect_exit 3 "a request that is none" "$SWAGE" tokenize "$model" --chat <<<'{"a": 1}'
expect_exit 2 "chat and decode" "$SWAGE" tokenize "$model" --chat --decode <<<'1'
cp -r "$model" "$scratch/strict"
printf '{{ raise_exception("System role not supported") }}' >"$scratch/strict/chat_template.jinja"
expect_exit 4 "a template that refuses" "$SWAGE" run "$scratch/strict" --chat --prompt Hi
expect_match "in its own words" "$stderr" 'System role not supported'
expect_exit 0 "but only when it is used" "$SWAGE" run "$scratch/strict" --prompt Hi -n 1
printf '\n{%% for %%}' >"$scratch/strict/chat_template.jinja"
expect_exit 3 "a template that is none" "$SWAGE" run "$scratch/strict" --chat --prompt Hi
expect_match "by line" "$stderr" 'chat template, line 2'
printf '{%% for a in range(99999) %%}{%% for b in range(99999) %%}{%% endfor %%}{%% endfor %%}' \
  >"$scratch/strict/chat_template.jinja"
expect_exit 5 "a template without end" "$SWAGE" run "$scratch/strict" --chat --prompt Hi

# An empty answer: the model's end of text is whatever comes first.
mkdir "$scratch/ends"
cp -r "$model/." "$scratch/ends"
first_id=$("$SWAGE" run "$model" --chat --prompt Hi -n 1 --temperature 0 -q | tr -d '\n' |
  "$SWAGE" tokenize "$model" --no-special | cut -d ' ' -f 1)
printf '{"eos_token_id": [%s]}' "$first_id" >"$scratch/ends/generation_config.json"
expect_exit 0 "an answer of nothing" "$SWAGE" run "$scratch/ends" --chat --prompt Hi --temperature 0
check "is empty" [ -z "$stdout" ]
expect_match "and says why" "$stderr" 'ended the text at once'
finish
