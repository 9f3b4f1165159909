/**
 * Defuses the control markers of chat templates in text that nobody vouches for.
 *
 * Chat servers tokenise a rendered prompt as a whole, so a response that contains `<|im_end|>` ends its own turn and one
 * that contains `<|image_pad|>` takes the image's place (transformers #29279, vLLM #57740). A zero-width space after the
 * marker's first character leaves the text as readable as it was and makes it ordinary text to every tokenizer.
 */

const DEFUSED = "\u200B";

/** Pairs around a marker's name, whatever the name is: Qwen, Llama 3, Phi, GLM (`<|…|>`) and DeepSeek (`<｜…｜>`). */
const BRACKETS = [
  ["<|", "|>"],
  ["<｜", "｜>"],
] as const;

/**
 * Markers without pipes in the vocabularies of the Qwen family. Apart from `<|…|>` these are all that R1-Reward's own
 * tokenizer knows; none of the 1,420 records of VL-RewardBench and MM-RLHF-RewardBench contains one.
 */
export const QWEN_MARKERS: readonly string[] = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"];

/**
 * Markers without pipes of the chat models in use: Qwen, Llama 2 and Mistral, Gemma, LLaVA and InternVL. For a judge
 * whose family is not known. (Eleven records of VL-RewardBench do contain `</s>`: an end of text that leaked into a
 * response. To a Qwen tokenizer it is ordinary text, which is why R1-Reward's protocol takes the shorter list.)
 */
export const CONTROL_MARKERS: readonly string[] = [
  ...QWEN_MARKERS,
  ...["<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>"],
  ...["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]"],
  ...[
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
  ],
  ...["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"],
  ...["<image>", "<video>", "<audio>", "<img>", "</img>", "<IMG_CONTEXT>"],
];

/** Tags of the reply format. Not control tokens of Qwen2.5; a response that holds them tries to speak for the judge. */
export const REPLY_TAGS: readonly string[] = ["<think>", "</think>", "<answer>", "</answer>"];

/** What became of a text. */
export interface Neutralised {
  readonly text: string;
  readonly changed: boolean;
}

/**
 * Puts a zero-width space after the first character of every marker in the list, and of every `<|` when the text has a
 * `|>` anywhere (likewise `<｜`, `｜>`). Neither the distance nor the order of the two matters, so that a prompt with its
 * responses swapped is changed in the same places. Linear in the text, idempotent, never throws.
 */
export const neutraliseMarkers = (text: string, markers: readonly string[] = CONTROL_MARKERS): Neutralised => {
  const starts = [...markers, ...BRACKETS.filter(([, close]) => text.includes(close)).map(([open]) => open)];
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if ((char !== "<" && char !== "[") || !starts.some((start) => text.startsWith(start, at))) continue;
    pieces.push(text.slice(from, at + 1), DEFUSED);
    from = at + 1;
  }
  if (pieces.length === 0) return { text, changed: false };
  return { text: pieces.join("") + text.slice(from), changed: true };
};
