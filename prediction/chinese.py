"""Errors and warnings in Chinese: a sentence and a next step for each code.

Codes stay as they are. The English sentence follows in brackets: it carries the numbers, sites and elements of the case
at hand, which a sentence for all cases cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.prediction.errors import HINTS, ErrorInfo, Failure

if TYPE_CHECKING:
    from hsegap.prediction.schemas import Warn

#: What is wrong, by error code.
MESSAGES_ZH: dict[str, str] = {
    "unreadable_structure": "无法读取结构文件",
    "unsupported_format": "不支持这种格式",
    "disordered_structure": "结构中有无序位点（部分占据或混合占据）",
    "overlapping_atoms": "有两个原子靠得过近",
    "degenerate_cell": "晶胞几乎没有体积，或晶格参数不合理",
    "unknown_element": "含有无法识别的元素符号",
    "too_many_atoms": "晶胞中的原子太多",
    "too_many_edges": "晶体图太大",
    "not_describable": "无法为该晶体生成文字描述",
    "describe_unavailable": "服务器没有安装生成描述的组件",
    "text_too_long": "描述文字太长",
    "gap_out_of_range": "PBE 带隙应为 0 到 30 之间的数，单位 eV",
    "too_many_items": "一批中的晶体太多",
    "invalid_request": "请求无效",
    "unauthorized": "缺少密钥或密钥不正确",
    "forbidden": "请求的主机名或来源不被允许",
    "payload_too_large": "请求内容太大",
    "unsupported_media_type": "请求内容的类型不受支持",
    "overloaded": "服务器繁忙",
    "not_ready": "服务器尚未就绪",
    "timeout": "处理超时",
    "internal": "服务器内部出错",
}

#: What to do next, by error code.
HINTS_ZH: dict[str, str] = {
    "unreadable_structure": "请确认文件完整、能在结构查看软件中打开，并指明格式。",
    "unsupported_format": "请提供 CIF、POSCAR/CONTCAR、扩展 XYZ、pymatgen JSON 或 JARVIS JSON；不确定时请指明格式。",
    "disordered_structure": "请先换成有序的晶胞（pymatgen 的 OrderDisorderedStructureTransformation 可以生成）。",
    "overlapping_atoms": "请删除重复的原子，并检查空间群的设置和坐标。",
    "degenerate_cell": "请检查晶格：长度以 Å 为单位，角度以度为单位，且晶胞体积不为零。",
    "unknown_element": "请使用从 H 到 Lr 的元素符号（D 和 T 按氢读取），并删去虚原子。",
    "too_many_atoms": "请改用原胞：同一晶体取任何晶胞，预测结果都相同。",
    "too_many_edges": "请改用原胞：同一晶体取任何晶胞，预测结果都相同。",
    "not_describable": "请自己写一段描述，或不带文字直接预测。",
    "describe_unavailable": "请在服务器上安装 `describe` 组件，自己写一段描述，或不带文字直接预测。",
    "text_too_long": "请缩短描述；模型主要用到前几句。",
    "gap_out_of_range": "请只填数字，不写单位；金属填 0，不知道则留空。",
    "too_many_items": "请分批提交，或用 `hsegap score` 处理大量文件。",
    "invalid_request": "请对照 docs/api.md 或 /docs.json 检查请求。",
    "unauthorized": "请在请求头中加入 `Authorization: Bearer 密钥`。",
    "forbidden": "请用服务器自己的名字访问；管理员可在 HSEGAP_HOSTS 和 HSEGAP_ORIGINS 中添加其他名字。",
    "payload_too_large": "请减少晶体数量或改用原胞；`hsegap score` 对文件数量没有限制。",
    "unsupported_media_type": "请发送 JSON，并加上请求头 `Content-Type: application/json`。",
    "overloaded": "请等待 Retry-After 中给出的秒数后再试，或把多个晶体合并发送到 /predict_batch。",
    "not_ready": "请等待 Retry-After 中给出的秒数后再试；服务器就绪后 /readyz 返回 200。",
    "timeout": "请检查晶胞体积是否接近零，改用原胞，或调高服务器的时限。",
    "internal": "请再试一次；若仍然出错，请把出错编号连同服务器日志一起反馈。",
}

#: What a warning says, by its code; those of reading a file included.
WARNINGS_ZH: dict[str, str] = {
    "element_not_in_training": "含有训练集中没有的元素",
    "larger_than_training": "晶胞比训练集中的所有晶体都大",
    "text_truncated": "描述太长，编码器没有读到结尾",
    "crystal_unlike_training": "该晶体与训练集中的晶体差别很大，结果可能不可靠",
    "text_unlike_training": "该描述与训练集中的描述差别很大",
    "fact_not_used": "给出的一个带隙没有使用",
    "fact_conflict": "给出的 PBE 带隙互相矛盾",
    "fact_far_from_estimate": "给出的 PBE 带隙与模型由结构估计的值相差很大，请核对",
    "text_contradicts_crystal": "描述所说的成分与该晶体不符",
    "neighbours_changed": "应变使原来等距的近邻不再等距，网络看到的近邻数改变，结果的变化有一部分来自图",
    "swap_changes_size": "新元素的原子半径与原元素相差超过 15 %，而晶胞没有弛豫",
    "text_not_english": "描述不是英文；文字编码器只用英文训练过，因此描述的作用不可靠",
    "deuterium_as_hydrogen": "氘和氚按氢处理",
    "occupancy_repaired": "与 1 相差不到 1 % 的占据率按 1 处理",
    "zero_occupancy_dropped": "占据率为 0 的位点已略去",
    "coordinates_rounded": "0.3333 之类的坐标已换成对应的分数",
    "symmetry_missing": "文件没有给出对称性：所列原子被当作整个晶胞",
    "symmetry_from_name": "对称操作是按空间群的名称或编号查得的",
    "symmetry_contradiction": "文件中关于对称性的说法互相矛盾",
    "setting_chosen": "文件没有说明空间群的原点或轴的取法，已根据原子间距、化学式或 Z 选定",
    "multiplicity_mismatch": "文件给出的多重度与对称性不符；有误的只是标注",
    "cell_completed": "文件省略的晶格参数已由对称性补全",
    "rows_joined": "同一位点上同种元素的几行已合并为一个原子",
    "images_listed": "与其他位点对称等价的重复行已略去",
    "several_structures": "文件含有多个结构，只读取了第一个",
    "composition_mismatch": "读到的原子与文件给出的化学式不符",
    "implicit_hydrogens": "文件提到氢原子但没有给出位置，这些氢原子缺失",
    "element_guessed": "元素是从位点标签中推断的",
    "not_periodic": "文件把某个方向标为非周期性，已按周期性处理",
    "extra_lines": "最后一个原子之后的行已忽略",
    "cell_contradiction": "文件给出的体积或密度与其晶胞和原子不符",
    "odd_distances": "原子间距过近，或彼此全都过远：请检查单位、坐标和对称性",
    "odd_coordinates": "文件称其坐标为分数坐标，但数值更像以 Å 为单位；已按分数坐标读取",
    "format_mismatch": "文件内容与文件名所示的格式不同，以内容为准",
    "odd_characters": "文件不是有效的 UTF-8，无法读取的字符已被替换",
    "parser_note": "读取文件时的其他提示",
    "duplicate_id": "编号重复，已加上序号",
}


def failure_in_chinese(failure: Failure) -> Failure:
    """The same failure with its sentences in Chinese, the English one following in brackets."""
    error = failure.error
    # A hint of the case's own says more than the code's; it follows the Chinese one.
    own = "" if error.hint == HINTS[error.code] else f"（{error.hint}）"
    return Failure(
        error=ErrorInfo(
            code=error.code,
            message=f"{MESSAGES_ZH[error.code]}。（{error.message}）",
            hint=f"{HINTS_ZH[error.code]}{own}",
            index=error.index,
        )
    )


def warning_in_chinese(warning: Warn) -> Warn:
    """The same warning with its sentence in Chinese; one whose code is not listed stays as it is."""
    told = WARNINGS_ZH.get(warning.code)
    return warning.model_copy(update={"message": f"{told}。（{warning.message}）"}) if told else warning
