"""
Makes the Whisper model of this folder's tests: Whisper's architecture, tokens and generation settings at the smallest size, with random weights. It
says nonsense, always the same; what it serves is that the real runtime loads it and runs it.

Needs torch, transformers 4.38, optimum 1.17, onnx and onnxruntime: python make-tiny-model.py FOLDER
"""
import json
import shutil
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export
from optimum.exporters.onnx.base import ConfigBehavior
from optimum.exporters.onnx.model_configs import WhisperOnnxConfig
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer, WhisperTokenizerFast
from transformers.models.whisper.tokenization_whisper import bytes_to_unicode

# Any more would only make the files larger.
LANGUAGES = ["en", "de", "fr"]
# The newest intermediate representation that every ONNX Runtime of the last years reads.
IR_VERSION = 8


def tokenizer(folder: Path) -> WhisperTokenizerFast:
    """One token a byte, then Whisper's own in Whisper's order."""
    vocabulary = {char: i for i, char in enumerate(bytes_to_unicode().values())}
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"<|endoftext|>": len(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    slow = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    slow.add_special_tokens({"additional_special_tokens": [f"<|{name}|>" for name in names]})
    slow.add_tokens([f"<|{i * 0.02:.2f}|>" for i in range(1501)])
    slow.save_pretrained(folder)
    fast = WhisperTokenizerFast.from_pretrained(folder)
    fast.save_pretrained(folder)
    return fast


class WithCrossAttentions(WhisperOnnxConfig):
    """The decoder gives its cross attentions too: word times are read from them."""

    @property
    def outputs(self):
        outputs = super().outputs
        if self._behavior is ConfigBehavior.DECODER:
            for layer in range(self._config.decoder_layers):
                outputs[f"cross_attentions.{layer}"] = {0: "batch_size", 2: "decoder_sequence_length", 3: "encoder_sequence_length / 2"}
        return outputs


def export(source: Path, target: Path, names: dict[str, str], **options) -> None:
    with tempfile.TemporaryDirectory() as exported:
        main_export(source, output=exported, task="automatic-speech-recognition-with-past", do_validation=False, **options)
        for name, file in names.items():
            model = onnx.load(Path(exported) / f"{name}.onnx")
            model.ir_version = IR_VERSION
            onnx.save(model, Path(exported) / "model.onnx")
            quantize_dynamic(Path(exported) / "model.onnx", target / file, weight_type=QuantType.QInt8, extra_options={"EnableSubgraph": True})
            quantized = onnx.load(target / file)
            quantized.ir_version = IR_VERSION
            onnx.save(quantized, target / file)


def main(target: Path) -> None:
    torch.manual_seed(5)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        source = Path(work)
        tokens = tokenizer(source)
        token = tokens.convert_tokens_to_ids
        end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
        size = 16
        config = WhisperConfig(
            vocab_size=len(tokens), d_model=size, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=size, decoder_ffn_dim=size, num_mel_bins=80, bos_token_id=end, eos_token_id=end, pad_token_id=end,
            decoder_start_token_id=start, begin_suppress_tokens=None, suppress_tokens=None, init_std=0.6,
        )
        model = WhisperForConditionalGeneration(config).eval()
        model.save_pretrained(source)
        WhisperFeatureExtractor(feature_size=80).save_pretrained(source)
        (source / "generation_config.json").unlink(missing_ok=True)
        export(source, target, {"encoder_model": "encoder_model_quantized.onnx", "decoder_model_merged": "decoder_model_merged_quantized.onnx"})
        attentive = WithCrossAttentions(config=config, task="automatic-speech-recognition")
        attentive = {
            "encoder_model": attentive.with_behavior("encoder"),
            "decoder_model": attentive.with_behavior("decoder", use_past=True, use_past_in_inputs=False),
            "decoder_with_past_model": attentive.with_behavior("decoder", use_past=True, use_past_in_inputs=True),
        }
        export(source, target, {"decoder_model_merged": "decoder_model_merged_attentions_quantized.onnx"}, model_kwargs={"output_attentions": True}, custom_onnx_configs=attentive)
        generation = {
            "alignment_heads": [[0, 0], [0, 1]], "begin_suppress_tokens": [end], "bos_token_id": end, "eos_token_id": end, "pad_token_id": end,
            "decoder_start_token_id": start, "is_multilingual": True, "lang_to_id": {f"<|{one}|>": token(f"<|{one}|>") for one in LANGUAGES},
            "task_to_id": {"transcribe": token("<|transcribe|>"), "translate": token("<|translate|>")}, "max_initial_timestamp_index": 50,
            "max_length": 24, "no_timestamps_token_id": token("<|notimestamps|>"), "prev_sot_token_id": token("<|startofprev|>"),
            # As Whisper's own settings do: none of its own tokens among the words. Times are left, for those who ask for them.
            "return_timestamps": False, "suppress_tokens": list(range(start, token("<|0.00|>"))),
        }
        (target / "generation_config.json").write_text(json.dumps(generation, indent=1))
        for name in ["config.json", "preprocessor_config.json"]:
            shutil.copy(source / name, target / name)
        (target / "tokenizer.json").write_text(json.dumps(json.loads((source / "tokenizer.json").read_text()), separators=(",", ":")))
        settings = json.loads((source / "tokenizer_config.json").read_text())
        # The tokens stand in tokenizer.json already.
        del settings["added_tokens_decoder"]
        (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


main(Path(sys.argv[1]))
